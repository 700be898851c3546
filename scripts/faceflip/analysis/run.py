"""What was run on what data: the line that heads every page, and what of it the paper has."""

import json
from collections.abc import Mapping
from dataclasses import asdict, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from faceflip.analysis.names import doubt_notes, images_of, method_name, ordered, search_name
from faceflip.attacks.options import AttackOptions
from faceflip.attempt import CONVERGED, FINAL, GIVEN
from faceflip.catalogue import LINE
from faceflip.data.celeba import ATTRIBUTES, HEIGHT, SPLITS, WIDTH
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.typed import faults_of
from faceflip.wording import quantity

PAPER_SAMPLE = {"split": "train", "images": 1_000}
PAPER_COLOR = "rgb"
PAPER_THRESHOLD = 0.95
PAPER_EARLY = "epoch2"
"""The paper's sample, the images that it takes PASS of, its tau, and its early checkpoint."""
PAPER_PASS = {
    "name": "pass-1",
    "luma": [0.299, 0.587, 0.114],
    "ecc_blur": [1, 4, 6, 4, 1],
    "ecc_motion": "homography",
    "ecc_max_iterations": 50,
    "ecc_corner_tolerance_px": 2e-3,
    "ecc_pivot_tolerance": 1e-7,
    "ecc_flat_variance": 1e-8,
    "ecc_plausible_corner_shift": 0.1,
    "warp": "bilinear, replicated border, not rounded",
    "ssim_window": 11,
    "ssim_sigma": 1.5,
    "ssim_k1": 0.01,
    "ssim_k2": 0.03,
    "ssim_range": 255,
    "ssim_covariance": "population",
    "ssim_region": "valid",
}
"""How this project reads the paper's PASS (`faceflip.similarity.parameters`): another definition is another measure."""
PAPER_ROLES = {"euclidean": ("euclidean", False), "softmax": ("softmax", False), "moon": ("euclidean", True)}
"""The paper's networks: the loss, and whether one network decides on all attributes."""

NO_MORE = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=NO_MORE)
class RunNetwork:
    """A network of a run: one for each of its attributes, or one for all (`joint`).

    Attributes:
        name: In the configuration and in the column `network` of every table.
        title: On pages; `short` and `color` are for figures.
        attributes: It decides on these; those of `attacked` are attacked.
        checkpoints: The earliest first, ``converged`` last; of a network that was trained elsewhere, ``given`` alone.
        architecture: As `ArchitectureOptions` has it; `training` as `TrainingOptions`. Of a network that was trained
            elsewhere the `name` is that of its code, and there is no training.
        group: In the configuration, where it is one of several of different `seed`; else empty.
    """

    name: str
    title: str
    short: str
    color: str
    loss: str
    joint: bool
    attributes: tuple[str, ...]
    attacked: tuple[str, ...]
    checkpoints: tuple[str, ...] = (PAPER_EARLY, CONVERGED)
    architecture: Mapping[str, Any] = field(default_factory=lambda: ArchitectureOptions().model_dump())
    training: Mapping[str, Any] = field(default_factory=lambda: TrainingOptions().model_dump())
    group: str = ""
    seed: int | None = None

    @property
    def early(self) -> list[str]:
        """Its checkpoints but the last one."""
        return [name for name in self.checkpoints if name not in FINAL]

    @property
    def final(self) -> str:
        """Its last checkpoint."""
        return self.checkpoints[-1]

    @property
    def brought(self) -> bool:
        """Whether it was trained elsewhere."""
        return self.final == GIVEN

    @property
    def mark(self) -> str:
        """What stands before the name of an attack on it: the M of MFFA, for a network of all attributes."""
        return "M" if self.joint else ""


@dataclass(frozen=True, config=NO_MORE)
class RunTuning:
    """A network of a run that was fine-tuned from another; its checkpoint is ``tuned``.

    Attributes:
        name: In the column `network` of tables.
        group: In the configuration: the same for all seeds of it.
        title: Of the group, on pages.
        seed: Its own, one of those that the configuration lists; None where it lists none.
        source: The network that it was made from, and `checkpoint` of that; `source_group` as `group`.
        diet: One of `faceflip.catalogue.DIETS`, as is `share` of extra images in each batch, for so many `epochs`.
        sample: Its extra images are made of attempts on this sample, by `attack`; empty where no store was read.
        attributes: It decides on these; those of `attacked` are attacked.
        batch_size: Images a step; `learning_rate` is None where it is that at which the source's training ended.
    """

    name: str
    group: str
    title: str
    seed: int | None
    source: str
    source_group: str
    checkpoint: str
    diet: str
    share: float
    epochs: int
    sample: str
    attack: str
    attributes: tuple[str, ...]
    attacked: tuple[str, ...]
    batch_size: int = 0
    learning_rate: float | None = None


@dataclass(frozen=True, config=NO_MORE)
class RunAttack:
    """An attack of a run.

    Attributes:
        name: In the configuration and in the column `attack` of every table.
        method: What tables call it beside its search, such as ``ffa``.
        search: Kind of its search, such as ``line``.
        epsilon: What its epsilon counts: ``pixel values`` along the ray, or ``steps``.
        note: What sets it apart from the paper's attack of this name; every table says so.
    """

    name: str
    method: str
    search: str
    epsilon: str = "pixel values"
    note: str = ""

    @property
    def words(self) -> str:
        """What it is called beside others: ``FFA, line search``."""
        return f"{method_name(self.method)}, {search_name(self.search)}"


@dataclass(frozen=True, config=NO_MORE)
class RunDescription:
    """A run in the terms that decide what its numbers mean.

    Attributes:
        dataset: ``celeba``, ``synthetic`` (drawn faces) or ``table`` (labels of your own).
        dataset_attributes: All that the dataset has labels of, in its order.
        images: Number of images of each split (``train``, ``validation``, ``test``).
        official: How many of these CelebA has in the same split; None where that was not recorded.
        sample: Name, split and number of images of the sample that tables are about.
        networks: In the order of the configuration, as `attack_list`.
        color: ``rgb`` or ``gray``, the images that PASS is taken of.
        definition: Name and parameters of the definition of PASS.
        metrics: More similarities of the attempts, by the names of their columns.
        threshold: PASS from which on a flipped image is adversarial, tau; `thresholds` are those of Table 1.
        budgets: Largest changes of a pixel value at which robust accuracy is reported.
        seed: Of the run; `seeds` are those of parts that have another one, by their keys.
        transfers: Network, checkpoint and attack of the adversarial images that were shown to others.
        attacks: Options of each attack by its name, where they matter.
        code: Digest of the package that described the run; None where that was not recorded.
        tunings: The networks that were fine-tuned from others; tables and figures on fine-tuning alone are about them.
        samples: Split and number of images of every sample, by name.
        doubt: What says which labels are in doubt: of ``rules``, ``scores``, ``audit``; empty where nothing does.
        order: Of the attributes in matrices, where it matters: ``official`` or ``clustered``.
    """

    dataset: str
    images: Mapping[str, int]
    sample: Mapping[str, Any]
    attacked: tuple[str, ...]
    networks: tuple[RunNetwork, ...]
    attack_list: tuple[RunAttack, ...]
    input_width: int = WIDTH
    input_height: int = HEIGHT
    color: str = PAPER_COLOR
    definition: Mapping[str, Any] = field(default_factory=lambda: PAPER_PASS)
    metrics: tuple[str, ...] = ()
    threshold: float = PAPER_THRESHOLD
    thresholds: tuple[float | int, ...] = (0.0, 0.9, 0.95, 0.99)
    budgets: tuple[float | int, ...] = (1, 2, 4, 8)
    seed: int = 0
    seeds: Mapping[str, int] = field(default_factory=dict)
    transfers: tuple[tuple[str, str, str], ...] = ()
    attacks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    order: str = "official"
    official: Mapping[str, int] | None = None
    code: str | None = None
    dataset_attributes: tuple[str, ...] = ATTRIBUTES
    tunings: tuple[RunTuning, ...] = ()
    samples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    doubt: tuple[str, ...] = ()

    @property
    def synthetic(self) -> bool:
        """Whether the faces were drawn."""
        return self.dataset == "synthetic"

    @property
    def like_paper(self) -> bool:
        """Whether the attributes are CelebA's, on drawn faces or its own: of others nothing is in print."""
        return self.dataset in ("celeba", "synthetic")

    @property
    def attributes(self) -> tuple[str, ...]:
        """All attributes of the dataset, in its order."""
        return self.dataset_attributes

    @cached_property
    def _by_name(self) -> dict[str, RunNetwork]:
        return {network.name: network for network in self.networks}

    @property
    def network_names(self) -> list[str]:
        """Names of the networks, in order."""
        return list(self._by_name)

    def network(self, name: str) -> RunNetwork:
        """Return a network by its name."""
        return self._by_name[name]

    def title_of(self, name: str) -> str:
        """Return what pages call a network, also one that was fine-tuned."""
        tuning = next((each for each in self.tunings if each.name == name), None)
        if tuning is None:
            return self.network(name).title
        return tuning.title if tuning.seed is None else f"{tuning.title}, seed {tuning.seed}"

    def attack(self, name: str) -> RunAttack:
        """Return an attack by its name; one that the run does not list is a method of its own."""
        return next((attack for attack in self.attack_list if attack.name == name), RunAttack(name, name, LINE))

    @property
    def separate(self) -> list[RunNetwork]:
        """The networks that are one for each attribute."""
        return [network for network in self.networks if not network.joint]

    @property
    def joint(self) -> list[RunNetwork]:
        """The networks that are one for all attributes."""
        return [network for network in self.networks if network.joint]

    @property
    def checkpoints(self) -> list[str]:
        """Names of all checkpoints, ``converged`` first, then ``given`` if there is one, then the earliest first."""
        given = [GIVEN] * any(network.brought for network in self.networks)
        return [CONVERGED, *given, *dict.fromkeys(name for network in self.networks for name in network.early)]

    @property
    def learned(self) -> list[str]:
        """The attributes that some network decides on, in the order of the dataset."""
        return ordered((name for network in self.networks for name in network.attributes), self.attributes)

    def paper_network(self, role: str) -> RunNetwork | None:
        """Return the network that stands for one of the paper's: ``euclidean``, ``softmax`` or ``moon``."""
        loss, joint = PAPER_ROLES[role]
        trained = (each for each in self.networks if not each.brought)
        return next((each for each in trained if (each.loss, each.joint) == (loss, joint)), None)

    def is_of_paper(self, network: str, role: str) -> bool:
        """Return whether a network is the one that stands for one of the paper's."""
        found = self.paper_network(role)
        return found is not None and found.name == network

    def method_name(self, network: str, method: str) -> str:
        """Return an attack's name in tables, such as ``MFFA``."""
        return self.network(network).mark + method_name(method)

    @property
    def doubt_notes(self) -> list[str]:
        """What tables say below what is split by doubt; nothing where nothing says which labels are in doubt."""
        return doubt_notes(self.doubt)

    @property
    def notes(self) -> list[str]:
        """What every table says below itself: attacks that the paper does not have by these names."""
        return [f"{attack.name}: {attack.note}." for attack in self.attack_list if attack.note]

    def option(self, attack: str, name: str) -> Any:
        """Return an option of an attack, by default as this project reads the paper."""
        return self.attacks.get(attack, {}).get(name, AttackOptions.model_fields[name].default)

    @property
    def line(self) -> str:
        """One sentence, and on drawn faces a first one that says so."""
        images = " / ".join(f"{self.images[split]:,}" for split in SPLITS)
        architectures = ", ".join(dict.fromkeys(_architecture(network.architecture) for network in self.networks))
        grey = " of grey images" if self.color == "gray" else ""
        faces = {"synthetic": "Synthetic faces, drawn by this project: the numbers say nothing about CelebA. "}
        faces["celeba"] = "CelebA, "
        return (
            faces.get(self.dataset, "Your own faces and labels, ")
            + f"{images} images to train, validate and test; "
            + f"{architectures}, {self.input_width} x {self.input_height} pixels; {self._kinds}; "
            + f"{images_of(self.sample)} attacked; adversarial from PASS {self.threshold:g}{grey} on."
        )

    @property
    def _kinds(self) -> str:
        """Say which networks there are, those of one attribute and those of all, and of how many attributes."""
        shorts = "; ".join(network.short for network in self.joint)
        joint = self.joint[0].title if len(self.joint) == 1 else f"joint networks ({shorts})"
        parts = []
        for name, networks in (("separate networks", self.separate), (joint, self.joint)):
            if networks:
                most = max(len(network.attributes) for network in networks)
                parts.append(f"{name} for {most if parts else quantity(most, 'attribute')}")
        return " and ".join(parts)

    def to_json(self) -> str:
        """Return JSON for `from_json`."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, path: Path) -> "RunDescription":
        """Read a description.

        Raises:
            UserError: The file is missing, or is no description of a run.
        """
        try:
            return TypeAdapter(cls).validate_json(Path(path).read_bytes())
        except (OSError, ValidationError) as error:
            faults = "; ".join(faults_of(error)) if isinstance(error, ValidationError) else error
            names = ", ".join(each.name for each in fields(cls))
            raise UserError(
                f"{path}: no description of a run ({faults}); its keys are {names}; delete it and run again"
            ) from error


def _architecture(options: Mapping[str, Any]) -> str:
    """Return an architecture in words."""
    if options["name"] != "vgg16":
        return str(options["name"])
    return "VGG-16" if options["width"] == 1 else f"VGG-16 at {options['width']:g} of its width"


def describe(manifest: Mapping[str, Any], plan: Mapping[str, Any]) -> RunDescription:
    """Describe a run by its dataset's manifest and what `faceflip.workflow.plan.Plan.description` says of the rest.

    The attacks' options are left out: a change of one attack must not touch what depends on others only. The definition
    of PASS is that of the installed code, which scores the run.
    """
    from faceflip.similarity.definition import parameters
    from faceflip.workflow.code import code_digest

    return RunDescription(
        dataset=manifest["source"],
        images=manifest["images"],
        official=manifest.get("official"),
        attack_list=plan["attacks"],
        input_width=manifest["width"],
        input_height=manifest["height"],
        definition=parameters(),
        code=code_digest(),
        **{name: value for name, value in plan.items() if name != "attacks"},
    )
