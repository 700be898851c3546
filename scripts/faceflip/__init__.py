"""Facial attributes: accuracy and adversarial robustness."""

from typing import Any

__version__ = "0.2.0"

_AT_FIRST_USE = {"load_network": "faceflip.networks.checkpoint"}
"""What can be imported from here, by its module: PyTorch is not imported before somebody asks for it."""


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_AT_FIRST_USE[name]), name)
