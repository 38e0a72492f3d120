"""fsrbench: does a vision-language model in the loop improve a face super-resolution pipeline?"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`fsrbench.images` is loaded when somebody asks for it."""
    if name == "images":
        from fsrbench.imaging import images

        return images
    raise AttributeError(f"module 'fsrbench' has no attribute {name!r}")
