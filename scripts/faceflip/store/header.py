"""What made a store: the attributes of its root group."""

import contextlib
import functools
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

import faceflip
from faceflip.attempt import Experiment
from faceflip.catalogue import find_attack, find_search
from faceflip.errors import UserError

SAMPLE_OF_VERSION_1 = "paper"
RECORDED_PACKAGES = ("numpy", "h5py", "torch")


@dataclass(frozen=True)
class StoreHeader:
    """Identity of the attempts in a store.

    Args:
        sample, network, checkpoint, attack: the experiment's; ``paper`` is the one sample of faceflip 0.1.
        parameters: all of the attack's; values that JSON can hold.
        checkpoint_sha256: hexadecimal SHA-256 of each checkpoint file that was attacked, by the member of the network
            (the attribute, or ``all``).
        dataset_fingerprint: of the dataset whose rows the column ``image`` counts.
        seed: of the run.
        shard: number of this shard in its experiment; None for a joined view.
        first_attempt: number of this shard's first attempt in the experiment; 0 for a joined view.
        margins: how far past zero a decision value had to be to count as flipped, by the keys of `checkpoint_sha256`;
            each run of an attack measures it, hence empty for a joined view (and where it was not recorded).
        warnings: what was suspicious of the attacked network, sentences by the keys of `checkpoint_sha256`; those of all
            shards in a joined view.
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
            search = find_attack(self.attack, self.parameters.get("direction"), self.parameters.get("search")).search
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
        """Read the header back; raises KeyError, naming the attribute, where one is missing."""
        return cls(
            sample=SAMPLE_OF_VERSION_1 if int(attributes["version"]) == 1 else str(attributes["sample"]),
            **{name: str(attributes[name]) for name in ("network", "checkpoint", "attack", "dataset_fingerprint")},
            **{name: json.loads(attributes[name]) for name in ("parameters", "checkpoint_sha256")},
            **{name: int(attributes[name]) for name in ("seed", "first_attempt")},
            shard=int(attributes["shard"]) if "shard" in attributes else None,
            **{name: json.loads(attributes.get(name, "{}")) for name in ("margins", "warnings")},
        )


def canonical_json(value: Mapping[str, Any]) -> str:
    """Return JSON that is the same text for equal values: sorted keys, no NaN or infinity (ValueError)."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def software_versions(*more: str) -> dict[str, str]:
    """Return versions of what makes the content of a store, `more` packages among them, which are not imported."""
    versions = {
        "faceflip": faceflip.__version__,
        "python": platform.python_version(),
        "hdf5": h5py.version.hdf5_version,
    }
    for package in (*RECORDED_PACKAGES, *more):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = _installed_version(package)
    return versions


_installed_version = functools.cache(importlib.metadata.version)
