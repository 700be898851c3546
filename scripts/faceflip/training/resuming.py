"""What a training that was stopped leaves behind, so that the same command takes it up again."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from faceflip.errors import UserError
from faceflip.io.files import sweep
from faceflip.networks.checkpoint import load_checkpoint, read_torch_file, write_torch_file

FORMAT, VERSION = "faceflip-training-state", 1


class Unfinished:
    """The folder of a training that has not ended: its last state, and the checkpoints that it may still need.

    It is no output of the job, as Snakemake deletes those of a job that was killed. A state is valid for one recipe,
    which is all that decides the result. Files appear whole or not at all, and a checkpoint goes only once a state is
    saved that does without it, so a process may die at any moment.
    """

    def __init__(self, folder: Path, recipe: dict[str, Any], every: float) -> None:
        """Name the folder, made when something is saved; the recipe, as JSON can hold it; seconds between states."""
        self._folder, self._every = folder, every
        self._digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
        self._state = folder / "training_state.pt"
        self._last = time.monotonic()

    def checkpoint(self, epoch: int) -> Path:
        """Return the path of an epoch's checkpoint."""
        return self._folder / f"epoch-{epoch:03d}.pt"

    def load(self) -> dict[str, Any] | None:
        """Return the last saved state, or None if there is none that can be continued; the log says why."""
        if not self._state.exists():
            return None
        try:
            content = read_torch_file(self._state)
        except Exception as error:  # an unpickler raises whatever the damaged bytes lead it to
            reason = str(error).partition("\n")[0]
            return self._discard(f"it cannot be read ({reason})")
        if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (FORMAT, VERSION):
            return self._discard("another version of the program wrote it")
        if content["digest"] != self._digest:
            return self._discard("it is of another configuration, seed, dataset, device or number of threads")
        for path in map(self.checkpoint, content["checkpoints"]):
            try:  # now, not when the training has ended
                load_checkpoint(path, own_code=None)
            except UserError as error:
                return self._discard(f"it needs a checkpoint that cannot be used: {error}")
        if (made_by := content["torch"]) != torch.__version__:
            print(f"{self._state}: saved by torch {made_by}, continued by {torch.__version__}: last bits may differ")
        return content["state"]

    @property
    def due(self) -> bool:
        """Whether the state is to be saved again."""
        return time.monotonic() - self._last >= self._every

    def save(self, state: dict[str, Any], checkpoints: Iterable[int]) -> None:
        """Save a state and remove all checkpoints but those of the epochs that it needs."""
        needed = sorted(checkpoints)
        content = {
            "format": FORMAT,
            "version": VERSION,
            "digest": self._digest,
            "torch": str(torch.__version__),
            "checkpoints": needed,
            "state": state,
        }
        write_torch_file(self._state, content)
        for path in set(self._folder.glob("epoch-*.pt")) - {self.checkpoint(epoch) for epoch in needed}:
            path.unlink()
        self._last = time.monotonic()

    def clean(self) -> None:
        """Remove half-written files of a killed process."""
        sweep(self._folder)

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _discard(self, reason: str) -> None:
        print(f"{self._state}: not continued, because {reason}; training begins anew")
        self.remove()
