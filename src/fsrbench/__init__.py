"""fsrbench: does a vision-language model in the loop improve a face super-resolution pipeline?

    import fsrbench

    fsrbench.degrade("faces", "lr")                                        # HR → LR
    fsrbench.restore("lr/anna.png", "blind", {"denoise": 0.3})             # one picture
    run = fsrbench.run(hr="faces", lr="lr", out="outputs/mine", arms=["heuristic"])
    run.summary, run.scores, run.rounds                                    # pandas DataFrames
    fsrbench.load("outputs/mine").picture("blind", "anna", "heuristic")    # an array

`help(fsrbench.run)` says the rest. Nothing is loaded before it is asked for. What a plugin file of your own imports is
in `fsrbench.plugins`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsrbench import plugins, values
    from fsrbench.api import degrade, estimate, evaluate, load, restore, restore_all, run
    from fsrbench.case.degrade import DegradeReport
    from fsrbench.core.errors import FsrbenchError
    from fsrbench.experiments.estimate import RunEstimate
    from fsrbench.experiments.pictures import RestoreReport
    from fsrbench.experiments.single import RestoredPicture
    from fsrbench.imaging import images
    from fsrbench.show.notebook import Run

__version__ = "0.1.0"
__all__ = [
    "DegradeReport", "FsrbenchError", "RestoreReport", "RestoredPicture", "Run", "RunEstimate", "__version__",
    "degrade", "estimate", "evaluate", "images", "load", "plugins", "restore", "restore_all", "run", "values",
]  # fmt: skip

_HOME = {
    "DegradeReport": "case.degrade",
    "FsrbenchError": "core.errors",
    "RestoreReport": "experiments.pictures",
    "RestoredPicture": "experiments.single",
    "Run": "show.notebook",
    "RunEstimate": "experiments.estimate",
    "degrade": "api",
    "estimate": "api",
    "evaluate": "api",
    "load": "api",
    "restore": "api",
    "restore_all": "api",
    "run": "api",
}
"""Name → the module that has it."""
_MODULES = {"images": "imaging.images", "plugins": "plugins", "values": "values"}
"""Name → the module that it is."""


def __getattr__(name: str) -> Any:
    """Load what is asked for."""
    if name in _HOME:
        return getattr(import_module(f"fsrbench.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"fsrbench.{_MODULES[name]}")
    raise AttributeError(f"module 'fsrbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
