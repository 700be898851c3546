"""The command `faceflip`."""

from faceflip.cli.app import main

__all__ = ["main"]
