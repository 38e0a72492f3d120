"""A module of a package alone, without everything else that the package loads when it is imported.

Some packages load all that they have and all that this needs: spandrel and piq draw in torchvision, and with it half of
torch's compiler, for parts that are not used here. A small run would wait two seconds for nothing.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module, util
from threading import Lock
from types import ModuleType

_TURN = Lock()


@cache
def alone(name: str) -> ModuleType:
    """The module `package.part` with what it imports itself, and nothing that only the package's `__init__` imports.

    For the time of the import an empty package stands in the place of the real one. Nothing of it stays behind, so that
    whoever imports the package gets the whole of it. A package that is loaded, or not installed, is imported as usual.
    """
    package = name.partition(".")[0]
    with _TURN:
        spec = None if package in sys.modules else util.find_spec(package)
        if spec is None:
            return import_module(name)
        sys.modules[package] = util.module_from_spec(spec)
        try:
            return import_module(name)
        finally:
            for part in [one for one in sys.modules if one.partition(".")[0] == package]:
                del sys.modules[part]
