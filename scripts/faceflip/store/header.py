"""What made a store: the attributes of its root group."""

import contextlib
import functools
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import h5py
import numpy as np

import faceflip
from faceflip.attempt import Experiment
from faceflip.catalogue import find_attack, find_search
from faceflip.errors import UserError


@dataclass(frozen=True)
class StoreHeader:
    """Identity of the attempts in a store.

    Args:
        sample: of the experiment; ``paper`` is the one sample of faceflip 0.1.
        network: of the experiment.
        checkpoint: of the experiment.
        attack: of the experiment.
        parameters: all of the attack's; values that JSON can hold.
        checkpoint_sha256: hexadecimal, of each checkpoint that was attacked, by the member (attribute, or ``all``).
        dataset_fingerprint: of the dataset whose rows the column ``image`` counts.
        seed: of the run.
        shard: number of this shard in its experiment; None for a joined view.
        first_attempt: number of this shard's first attempt in the experiment; 0 for a joined view.
        margins: how far past zero a decision value had to be to count as flipped, by the keys of `checkpoint_sha256`;
            empty where it was not recorded, and for a joined view.
        warnings: what was suspicious of the attacked networks, lists of sentences by the same keys.
    """

    sample: str
    network: str
    checkpoint: str
    attack: str
    parameters: Mapping[str, Any]
    checkpoint_sha256: Mapping[str, str]
    dataset_fingerprint: str
    seed: int
    shard: int | None = 0
    first_attempt: int = 0
    margins: Mapping[str, float] = field(default_factory=dict)
    warnings: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def experiment(self) -> Experiment:
        """Sample, network, checkpoint and attack."""
        return Experiment(self.sample, self.network, self.checkpoint, self.attack)

    @property
    def iterative(self) -> bool:
        """Whether the attack goes by steps, so that the column `epsilon` counts them."""
        try:
            named = (self.parameters.get(name) for name in ("direction", "search"))
            search = find_attack(self.attack, *(name if isinstance(name, str) else None for name in named)).search
            return find_search(search).epsilon == "steps"
        except UserError:  # an attack that this program does not know
            return False

    @property
    def run(self) -> dict[str, Any]:
        """What all shards of one joined view have in common, by the attribute's name in the file."""
        return {
            **vars(self.experiment),
            "parameters": canonical_json(self.parameters),
            "dataset_fingerprint": self.dataset_fingerprint,
            "seed": self.seed,
        }

    def to_attributes(self) -> dict[str, Any]:
        """Return the header as HDF5 attributes (text and 64-bit integers)."""
        attributes = {
            **self.run,
            "checkpoint_sha256": canonical_json(self.checkpoint_sha256),
            "seed": np.int64(self.seed),
            "first_attempt": np.int64(self.first_attempt),
        }
        if self.shard is not None:
            attributes["shard"] = np.int64(self.shard)
        for name in ("margins", "warnings"):
            if getattr(self, name):
                attributes[name] = canonical_json(getattr(self, name))
        return attributes

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> "StoreHeader":
        """Take what it needs of a store's attributes, as `read_attributes` returns them."""
        known = {each.name: attributes[each.name] for each in fields(cls) if each.name in attributes}
        return cls(**{"sample": "paper", "shard": None, **known})


def canonical_json(value: Mapping[str, Any]) -> str:
    """Return JSON that is the same text for equal values: sorted keys, no NaN or infinity (ValueError)."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def software_versions(*more: str) -> dict[str, str]:
    """Return versions of what makes the content of a store, `more` packages among them, which are not imported."""
    python, hdf5 = platform.python_version(), h5py.version.hdf5_version
    versions = {"faceflip": faceflip.__version__, "python": python, "hdf5": hdf5}
    for package in ("numpy", "h5py", "torch", *more):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = _installed_version(package)
    return versions


_installed_version = functools.cache(importlib.metadata.version)
