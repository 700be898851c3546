"""What a configuration asks for: which attacks on which checkpoints, and how their attempts are cut into shards.

Imported while the Snakefile is parsed, so it must stay light.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil

from faceflip.attack_names import split_attack
from faceflip.celeba import ATTRIBUTES
from faceflip.config import Config, attributes_of

SEPARATE = ("euclidean", "softmax")
"""Kinds of networks that decide on one attribute each."""

MOON = "moon"

CHECKPOINTS = ("epoch2", "converged")


@dataclass(frozen=True, order=True)
class Experiment:
    """One attack on one checkpoint of one kind of network; its path under results/attacks is its name."""

    network: str
    checkpoint: str
    attack: str

    def __str__(self) -> str:
        return f"{self.network}/{self.checkpoint}/{self.attack}"


@dataclass(frozen=True)
class Attempts:
    """A contiguous part of the sample, to be attacked for one attribute."""

    attribute: str
    start: int
    stop: int


@dataclass(frozen=True)
class Plan:
    """The attempts of a run, numbered attribute by attribute and image by image, and cut into shards of equal size.

    Attributes:
        attributes: In the order in which their attempts are numbered.
        images: Number of images in the sample.
        shard_size: Attempts a shard; the last one may be smaller.
        experiments: All attacks to be run.
    """

    attributes: tuple[str, ...]
    images: int
    shard_size: int
    experiments: tuple[Experiment, ...]

    @classmethod
    def from_config(cls, config: Config) -> "Plan":
        """Read the plan off a valid configuration."""
        experiments = tuple(
            Experiment(network, checkpoint, attack)
            for network, checkpoints in config["experiments"].items()
            for checkpoint, attacks in checkpoints.items()
            for attack in attacks
        )
        return cls(
            tuple(attributes_of(config)), config["sample"]["images"], config["compute"]["shard_size"], experiments
        )

    @cached_property
    def shards(self) -> tuple[str, ...]:
        """Names of the shards, the same for every experiment."""
        return tuple(f"{number:03d}" for number in range(ceil(len(self.attributes) * self.images / self.shard_size)))

    def attempts(self, shard: str) -> list[Attempts]:
        """Return the parts of a shard, one an attribute that it touches."""
        first = int(shard) * self.shard_size
        last = min(first + self.shard_size, len(self.attributes) * self.images)
        return [
            Attempts(
                self.attributes[number],
                max(first - number * self.images, 0),
                min(last - number * self.images, self.images),
            )
            for number in range(first // self.images, (last - 1) // self.images + 1)
        ]

    def first_attempt(self, shard: str) -> int:
        """Return the number of a shard's first attempt."""
        return int(shard) * self.shard_size

    @cached_property
    def transfers(self) -> tuple[Experiment, ...]:
        """Experiments whose adversarial images are shown to other networks (Fig. 4) or outputs of MOON (Fig. 5)."""
        wanted = {
            Experiment("euclidean", "converged", "ffa-line"),
            Experiment("euclidean", "epoch2", "ffa-line"),
            Experiment(MOON, "converged", "ffa-line"),
            Experiment(MOON, "converged", "ffa-iterative"),
        }
        return tuple(experiment for experiment in self.experiments if experiment in wanted)

    @cached_property
    def scanned(self) -> tuple[Experiment, ...]:
        """Line searches on converged networks, of which some may be repeated by trying every whole epsilon."""
        return tuple(
            experiment
            for experiment in self.experiments
            if experiment.checkpoint == "converged" and split_attack(experiment.attack)[1] == "line"
        )

    def members(self, network: str) -> Iterator[str]:
        """Yield the folders of a kind's networks below results/networks: one an attribute, or the one of MOON."""
        if network == MOON:
            yield MOON
        else:
            yield from (f"{network}/{attribute}" for attribute in self.attributes)


def attributes_of_network(network: str, attribute: str | None) -> tuple[str, ...]:
    """Return the attributes that a network decides on: all for MOON, else its own."""
    return ATTRIBUTES if network == MOON else (attribute,)
