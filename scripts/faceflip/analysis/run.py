"""What was run on what data: the line that heads every page, and what a run must be to compare with the paper."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from faceflip.celeba import ATTRIBUTES, SPLIT_SIZES
from faceflip.errors import UserError
from faceflip.wording import quantity

PAPER_SAMPLE = 1_000
PAPER_ATTRIBUTES = 40
PAPER_NETWORK = {
    "dropout": 0.5,
    "input_mean": [129.1863, 104.7624, 93.5940],
    "input_scale": 1.0,
    "initialisation": "xavier",
    "pooling": "ceil",
}
"""The paper's VGG-16; what it does not say is as usual with Caffe."""
PAPER_TRAINING = {
    "batch_size": 64,
    "learning_rate": 1e-5,
    "gamma": 1e-4,
    "power": 0.75,
    "rms_decay": 0.98,
    "rms_delta": 1e-8,
    "early_epoch": 2,
    "max_epochs": 10,
    "patience": 3,
    "precision": "float32",
    "tf32": False,
    "compile": False,
}
"""The paper's training; what it does not say is as usual with Caffe."""
PAPER_COLOR = "rgb"
"""Images that PASS is taken of."""
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
PAPER_THRESHOLD = 0.95
"""The paper's tau."""
PAPER_ATTACKS = {
    "search": "doubling",
    "max_epsilon": 255,
    "max_steps": 100,
    "fgs_label": "current",
    "ffa_target": "current",
    "ffa_objective": "scores",
}
"""How this project reads the paper's attacks."""


@dataclass(frozen=True)
class RunDescription:
    """A run in the terms that decide what its numbers mean.

    Attributes:
        dataset: ``celeba`` or ``synthetic`` (drawn faces).
        images: Number of images of each split (``train``, ``validation``, ``test``).
        sample: Number of attacked images.
        attributes: Attributes with separate networks, and attacked on all networks.
        moon_attributes: Outputs of MOON; none where the run has no MOON.
        architecture: Name in the registry of networks.
        width: Multiplier of the network's channels; 1 is the paper's.
        network: The other choices of `PAPER_NETWORK`; they mean something where the architecture is ``vgg16``.
        input_width: Pixels.
        input_height: Pixels.
        color: ``rgb`` or ``gray``, the images that PASS is taken of.
        definition: Name and parameters of the definition of PASS.
        threshold: PASS from which on a flipped image is adversarial, tau.
        thresholds: All thresholds of Table 1.
        training: Options of ``separate`` and ``moon``, those of `PAPER_TRAINING`.
        seed: Of everything random.
        attacks: Options of each attack by its name, where they matter.
    """

    dataset: str
    images: Mapping[str, int]
    sample: int
    attributes: tuple[str, ...]
    moon_attributes: tuple[str, ...]
    architecture: str = "vgg16"
    width: float = 1.0
    network: Mapping[str, Any] = field(default_factory=lambda: PAPER_NETWORK)
    input_width: int = 178
    input_height: int = 218
    color: str = PAPER_COLOR
    definition: Mapping[str, Any] = field(default_factory=lambda: PAPER_PASS)
    threshold: float = PAPER_THRESHOLD
    thresholds: tuple[float, ...] = (0.0, 0.9, 0.95, 0.99)
    training: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: {"separate": PAPER_TRAINING, "moon": PAPER_TRAINING}
    )
    seed: int = 0
    attacks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def early_epoch(self) -> int:
        """Epoch of the early checkpoint."""
        return self.training["separate"]["early_epoch"]

    def option(self, attack: str, name: str) -> Any:
        """Return an option of an attack, by default as this project reads the paper."""
        return self.attacks.get(attack, {}).get(name, PAPER_ATTACKS[name])

    @property
    def synthetic(self) -> bool:
        """Whether the faces were drawn."""
        return self.dataset == "synthetic"

    @property
    def line(self) -> str:
        """One sentence, and on drawn faces a first one that says so."""
        images = " / ".join(f"{self.images[split]:,}" for split in ("train", "validation", "test"))
        width = "" if self.width == 1 else f" at {self.width:g} of its width"
        name = "VGG-16" if self.architecture == "vgg16" else self.architecture
        network = f"{name}{width}, {self.input_width} x {self.input_height} pixels"
        grey = " of grey images" if self.color == "gray" else ""
        moon = f" and MOON for {len(self.moon_attributes)}" if self.moon_attributes else ""
        return (
            ("Synthetic faces, drawn by this project: the numbers say nothing about CelebA. " if self.synthetic else "")
            + f"{'' if self.synthetic else 'CelebA, '}{images} images to train, validate and test; "
            + f"{network}; separate networks for {quantity(len(self.attributes), 'attribute')}{moon}; "
            + f"{quantity(self.sample, 'training image')} attacked; adversarial from PASS {self.threshold:g}{grey} on."
        )

    def not_of_paper(self, *aspects: str) -> Iterator[str]:
        """Yield why numbers that depend on some aspects cannot be compared with the paper's.

        Args:
            aspects: Of ``data`` (faces and splits), ``attributes``, ``network`` (with its training), ``sample``,
                ``attacks`` (their options), ``similarity`` (how PASS is taken) and ``threshold`` (of PASS).
        """
        if "data" in aspects:
            if self.synthetic:
                yield "synthetic faces"
            elif dict(self.images) != SPLIT_SIZES:
                yield f"{sum(self.images.values()):,} of CelebA's {sum(SPLIT_SIZES.values()):,} images"
        if "attributes" in aspects and len(self.attributes) != PAPER_ATTRIBUTES:
            yield f"{len(self.attributes)} of {PAPER_ATTRIBUTES} attributes"
        if "network" in aspects:
            if self.architecture != "vgg16":
                yield f"network {self.architecture} instead of VGG-16"
            else:
                for name, paper in PAPER_NETWORK.items():
                    if self.network[name] != paper:
                        yield f"network with {name} {self.network[name]} instead of {paper}"
            if self.width != 1:
                yield f"network at {self.width:g} of the width"
            if (self.input_width, self.input_height) != (178, 218):
                yield f"input of {self.input_width} x {self.input_height} instead of 178 x 218 pixels"
            yield from self._training_departures()
        if "sample" in aspects and self.sample != PAPER_SAMPLE:
            yield f"{self.sample:,} instead of {PAPER_SAMPLE:,} attacked images"
        if "attacks" in aspects:
            for attack, options in self.attacks.items():
                for name, value in options.items():
                    if PAPER_ATTACKS.get(name, value) != value:
                        yield f"{attack} with {name} {value}"
        if "similarity" in aspects:
            if self.color != PAPER_COLOR:
                yield f"PASS of {self.color} instead of {PAPER_COLOR} images"
            for name in PAPER_PASS | self.definition:
                ours, paper = (definition.get(name, "none") for definition in (self.definition, PAPER_PASS))
                if ours != paper:
                    yield f"PASS with {name} {ours} instead of {paper}"
        if "threshold" in aspects and self.threshold != PAPER_THRESHOLD:
            yield f"adversarial from PASS {self.threshold:g} instead of {PAPER_THRESHOLD:g} on"

    def _training_departures(self) -> Iterator[str]:
        for name, paper in PAPER_TRAINING.items():
            separate, moon = (self.training[kind][name] for kind in ("separate", "moon"))
            if separate == moon != paper:
                yield f"training with {name} {separate} instead of {paper}"
            elif (separate, moon) != (paper, paper):
                yield f"training with {name} {separate} (separate networks) and {moon} (MOON) instead of {paper}"

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
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
            return cls(**{**content, **lists})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            names = ", ".join(each.name for each in fields(cls))
            raise UserError(
                f"{path}: no description of a run ({error}); its keys are {names}; delete it and run again"
            ) from error


def describe(
    manifest: Mapping[str, Any],
    *,
    seed: int,
    sample: Mapping[str, Any],
    attributes: str | Sequence[str],
    networks: Sequence[str],
    network: Mapping[str, Any],
    training: Mapping[str, Mapping[str, Any]],
    similarity: Mapping[str, Any],
    analysis: Mapping[str, Any],
) -> RunDescription:
    """Describe a run by its dataset's manifest and the sections of its configuration of these names.

    The attacks' options are left out: a change of one attack must not touch what hangs on others only. `networks` are
    the kinds that were trained; MOON among them has outputs for all attributes. The definition of PASS is that of the
    installed code, which scores the run.
    """
    from faceflip.similarity.definition import parameters

    return RunDescription(
        dataset=manifest["source"],
        images=manifest["images"],
        sample=sample["images"],
        attributes=ATTRIBUTES if attributes == "all" else tuple(attributes),
        moon_attributes=ATTRIBUTES if "moon" in networks else (),
        architecture=network["architecture"],
        width=network["width"] if network["architecture"] == "vgg16" else 1.0,
        network={name: network[name] for name in PAPER_NETWORK},
        input_width=manifest["width"],
        input_height=manifest["height"],
        color=similarity["color"],
        definition=parameters(),
        threshold=analysis["threshold"],
        thresholds=tuple(analysis["thresholds"]),
        training={kind: {name: training[kind][name] for name in PAPER_TRAINING} for kind in ("separate", "moon")},
        seed=seed,
    )
