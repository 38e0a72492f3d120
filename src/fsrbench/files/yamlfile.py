"""A settings file to a mapping, and the line on which every key stands, so that a mistake can be pointed at.

Keys that stand twice and aliases are refused: the first hide a setting, the second can hide a bomb. What else the
format allows and nobody means (numbers in base 60, dates, tags, numbers of 5,000 digits) is a text or refused. What
the keys mean is in `config.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from fsrbench.core.errors import SettingsError
from fsrbench.files import atomic

MAX_BYTES = 1_000_000
"""Bytes of a settings file."""
MAX_DEPTH = 50
"""Nesting of a settings file; the deepest setting has five levels."""
MAX_ENTRIES = 100_000
"""Keys and values of a file; the study of a large sweep has some ten thousand."""
MAX_DIGITS = 19
"""Digits of a whole number: those of 64 bits."""
Place: TypeAlias = tuple[str, ...]
"""Keys from the top down to one setting."""


class _Loader(yaml.SafeLoader):
    """Loads what people mean."""

    def construct_yaml_int(self, node: Any) -> int:
        """A whole number that fits into 64 bits."""
        if len(node.value) > MAX_DIGITS + 1:
            raise ValueError(f"a number has {len(node.value)} digits, in line {node.start_mark.line + 1}")
        return int(super().construct_yaml_int(node))

    def construct_yaml_float(self, node: Any) -> float:
        """A number; there is one zero."""
        return float(super().construct_yaml_float(node)) + 0.0


_INT, _FLOAT, _DATE = (f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp"))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag not in (_INT, _FLOAT, _DATE)]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _INT,
    re.compile(r"^[-+]?(?:0|[1-9][0-9_]*|0b[01_]+|0[0-7_]+|0x[0-9a-fA-F_]+)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"^(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)
_Loader.add_constructor(_INT, _Loader.construct_yaml_int)
_Loader.add_constructor(_FLOAT, _Loader.construct_yaml_float)


def load(text: str) -> Any:
    """What a text says that is not `unfit`; a YAMLError or a ValueError where it is no YAML."""
    return yaml.load(text, Loader=_Loader)


def read(path: Path) -> tuple[dict[str, Any], Mapping[Place, int]]:
    """What a file holds, and place → line."""
    try:
        text = atomic.read_bytes(path, MAX_BYTES).decode()
        if why := unfit(text):
            raise SettingsError(f"{path} {why}.")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = load(text)
    except FileNotFoundError:
        raise SettingsError(f"The config file {path} is not there.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The config file {path} cannot be read: {error}.") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error) or type(error).__name__
        raise SettingsError(f"{path}, {where}this is not valid YAML ({problem}).") from None
    if data is None:
        return {}, {}
    if not isinstance(data, dict):
        raise SettingsError(f"{path} must hold keys and values like 'seed: 0', not a {type(data).__name__}.")
    lines: dict[Place, int] = {}
    for place, line in _lines(node, ()):
        if place in lines:
            raise SettingsError(
                f"{path}, line {line}: {'.'.join(place)} stands there twice, also on line {lines[place]}."
            )
        lines[place] = line
    return data, lines


def unfit(text: str) -> str:
    """Why a text is not loaded, be it valid YAML or not; empty where nothing speaks against it."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:  # the parser takes the longer for each level, the more of them there are
            return f"is nested more than {MAX_DEPTH} deep. Take brackets out"
        if number > MAX_ENTRIES:
            return f"holds more than {MAX_ENTRIES:,} entries. Take some out"
        if isinstance(event, yaml.AliasEvent):
            return "holds an alias (*name). Write the value out where it is needed"
        tag = getattr(event, "tag", None)
        if tag is not None:
            return f"holds a tag ({tag!r:.40}). Write the value without it"
    return ""


def _lines(node: yaml.Node | None, place: Place) -> Iterator[tuple[Place, int]]:
    children: list[tuple[str, yaml.Node, int]] = []
    if isinstance(node, yaml.MappingNode):
        children = [(str(k.value), v, k.start_mark.line + 1) for k, v in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [(str(i), v, v.start_mark.line + 1) for i, v in enumerate(node.value)]
    for name, child, line in children:
        yield (*place, name), line
        yield from _lines(child, (*place, name))
