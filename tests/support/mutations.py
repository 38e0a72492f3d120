"""Damaged files, and what reading thousands of them may take."""

from __future__ import annotations

import random
import struct

PROCESSES = 2
MOST_MB = 1500
SIZES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
NUMBERS = ("<H", ">H", "<L", ">L")


def mutated(draw: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """One damaged file: bits, bytes, cuts, pieces twice or of another file, sizes that no picture has."""
    file = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        reach = len(file) if draw.random() < 0.4 else min(len(file), 160)  # heads decide most
        place = draw.randrange(reach + 1)
        what = draw.randrange(7)
        if what == 0 and place < len(file):
            file[place] ^= 1 << draw.randrange(8)
        elif what == 1 and place < len(file):
            file[place] = draw.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif what == 2 and draw.random() < 0.3:
            del file[place:]
        elif what == 3:
            del file[place : place + draw.randrange(1, 64)]
        elif what == 4:
            file[place:place] = file[place : place + draw.randrange(1, 64)]
        elif what == 5:
            other = draw.choice(others)
            start = draw.randrange(len(other))
            file[place : place + draw.randrange(64)] = other[start : start + draw.randrange(1, 256)]
        else:
            kind = draw.choice(NUMBERS)
            room = struct.calcsize(kind)
            file[place : place + room] = struct.pack(kind, draw.choice(SIZES) % (1 << 8 * room))
    return bytes(file)
