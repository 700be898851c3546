"""The networks of one name in the configuration: one for all attributes, or one for each."""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import torch

from faceflip.attempt import FINAL
from faceflip.errors import UserError, did_you_mean
from faceflip.io.paths import NETWORKS
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.networks.network import AttributeNetwork


class Members:
    """Networks that decide on an attribute each, or one for several; only one of them is in memory at a time.

    Raises what `load_checkpoint` raises, here and wherever a network is needed.
    """

    def __init__(
        self, paths: Sequence[Path], device: torch.device | str = "cpu", own_code: Collection[str] | None = ()
    ) -> None:
        self.device, self._paths, self._own_code = device, paths, own_code
        self._attributes: dict[Path, tuple[str, ...]] = {}
        self._loaded: tuple[Path, AttributeNetwork] | None = None
        self.image_size = tuple(self.load(paths[0]).spec.image_size)

    def known(self, wanted: Iterable[str] = ()) -> list[str]:
        """Return the attributes that there are; some of them will do if they have all that are wanted."""
        wanted = set(wanted)
        # The folder of a member has the attribute's name, wherever that can be one.
        for path in sorted(self._paths, key=lambda path: path.parent.name not in wanted):
            if wanted and wanted.issubset(self._all()):
                break
            if path not in self._attributes:
                self.load(path)
        return self._all()

    def owners(self, attributes: Sequence[str]) -> dict[Path, list[str]]:
        """Return which members decide on attributes that are known, and on which of them."""
        shares = {path: [each for each in attributes if each in known] for path, known in self._attributes.items()}
        return {path: share for path, share in shares.items() if share}

    def load(self, path: Path) -> AttributeNetwork:
        """Return a member's network."""
        if self._loaded is None or self._loaded[0] != path:
            self._loaded = None  # its memory is free before the next one takes some
            self._loaded = path, load_checkpoint(path, self.device, own_code=self._own_code)[0]
            self._attributes[path] = self._loaded[1].spec.attributes
        return self._loaded[1]

    def _all(self) -> list[str]:
        return [name for path in self._paths for name in self._attributes.get(path, ())]


def checkpoints_of(network: str) -> dict[str, Path]:
    """Return the checkpoint of each member of a network: of an attribute, by the name of its folder, or of ``all``.

    Raises UserError where there is no run, no network of that name, or no finished member.
    """
    folder = Path(NETWORKS)
    try:
        known = sorted(path.name for path in folder.iterdir() if path.is_dir())
    except OSError:
        raise UserError(
            f"--network {network}: neither a file nor, because {folder}/ is missing here, the name of a run's network; "
            "name a checkpoint, or go to the folder in which the workflow ran"
        ) from None
    if network not in known:
        hint = did_you_mean(network, known, "; there are ")
        raise UserError(f"--network {network}: neither a file nor a network of the run in this folder{hint}")
    found = {member.name: _latest(member) for member in sorted((folder / network).iterdir()) if member.is_dir()}
    finished = {member: path for member, path in found.items() if path}
    if not finished:
        raise UserError(f"{folder / network}: no member has a checkpoint yet; let the training end")
    return finished


def _latest(member: Path) -> Path | None:
    by_name = {path.stem: path for path in member.glob("*.pt")}
    epochs = sorted((name for name in by_name if re.fullmatch(r"epoch\d+", name)), key=lambda name: -int(name[5:]))
    return next((by_name[name] for name in (*FINAL, *epochs) if name in by_name), None)
