"""The command line as a user types it: in a process of its own, or in this one, which has loaded everything."""

from __future__ import annotations

import contextlib
import io
import logging
import shlex
import subprocess
import sys
from pathlib import Path
from unittest import mock

from typer.main import get_command

from fsrbench.cli import app

COMMANDS = get_command(app.app)
PLAIN = ["--set", "families.general.backend=bicubic", "--set", "metrics=psnr,ssim"]


def fsrbench(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """In a process of its own, which takes a second or two to start."""
    command = [sys.executable, "-W", "error::SyntaxWarning", "-m", "fsrbench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=cwd, timeout=300)


def typed(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """In this process: the same entry point, screens and log, with their own streams, handlers and folder."""
    command = ["fsrbench", *map(str, words)]
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    logs = [(log, log.level) for log in (logging.getLogger(), logging.getLogger("fsrbench"))]
    status: object = 0
    with (
        mock.patch.object(sys, "argv", command),
        mock.patch.multiple(sys, stdout=streams[0], stderr=streams[1]),
        mock.patch.object(logging.getLogger(), "handlers", []),
        contextlib.chdir(cwd or Path.cwd()),
    ):
        try:
            app.main()
        except SystemExit as ended:
            status = ended.code or 0
    for log, level in logs:
        log.setLevel(level)
    said = [stream.buffer.getvalue().decode("utf-8") for stream in streams]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(command, status if isinstance(status, int) else 1, *said)


def typed_in(command: str) -> list[str] | None:
    """The words after `fsrbench`, up to a pipe; None for another command."""
    words = shlex.split(command.replace("…", ""))
    if "fsrbench" not in words or words[:2] == ["docker", "build"]:
        return None
    after = words[words.index("fsrbench") + 1 :]
    ends = [place for place, word in enumerate(after) if word in ("|", ">", "&&", ";")]
    return after[: min(ends, default=len(after))]


def understood(words: list[str]) -> None:
    """Raises where the command line does not know a command or an option of these."""
    if words and not words[0].startswith("-"):
        commands = COMMANDS.commands  # type: ignore[attr-defined]
        assert words[0] in commands, f"there is no fsrbench {words[0]}"
        if len(words) > 1 and words[1:] != ["--help"]:
            commands[words[0]].make_context(words[0], words[1:])
    elif words:
        assert words[0] in options(), f"there is no fsrbench {words[0]}"


def options() -> set[str]:
    """Every option of every command."""
    commands = [COMMANDS, *COMMANDS.commands.values()]  # type: ignore[attr-defined]
    return {"--help", *(name for one in commands for param in one.params for name in param.opts)}
