"""Files that torch.save wrote."""

import zipfile
from pathlib import Path
from typing import Any

import torch


def read_torch_file(path: Path) -> Any:
    """Return what is in the file, on the CPU; every byte is checked against the sums that torch writes.

    Raises:
        FileNotFoundError: The file is missing.
        Exception: Of whatever kind the damaged bytes lead an unpickler to, or the message is that a part is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"{damaged} is damaged")
    return torch.load(path, map_location="cpu", weights_only=True)
