"""What can be named in a configuration: losses, architectures, directions, searches, attacks, similarities, readers.

An entry says where the code is (`target`, a reference) and what others need to know of it, so that nobody imports the
code to plan or to check a run, and nobody guesses from a name. Wherever a name of a registry is expected, a reference
to your own code works as well (`faceflip.registry`); it then has the properties of a bare entry. Tables and figures are
listed in `faceflip.workflow.products`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from faceflip.errors import UserError
from faceflip.registry import is_reference, label_of, look_up


@dataclass(frozen=True)
class LossEntry:
    """A loss with the reading of its scores (`faceflip.networks.objectives.Objective`).

    Attributes:
        title: What tables and figures call it.
        colors: Of networks for one attribute, and of those for all; None takes the next free one.
    """

    target: str
    title: str
    colors: tuple[str | None, str | None] = (None, None)


# Of the palette of Okabe and Ito, which people with any colour vision can tell apart.
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE, BLACK = "#0072B2", "#D55E00", "#CC79A7", "#000000"
COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
"""Of networks whose loss has none of its own, or one that is taken."""

LOSSES = {
    "euclidean": LossEntry("faceflip.networks.objectives:Euclidean", "Euclidean", (BLUE, GREEN)),
    "softmax": LossEntry("faceflip.networks.objectives:Softmax", "softmax", (VERMILION, ORANGE)),
    "bce": LossEntry("faceflip.networks.objectives:BinaryCrossEntropy", "BCE", (PURPLE, SKY)),
}


@dataclass(frozen=True)
class ArchitectureEntry:
    """Layers from normalised images to scores: called with outputs, image size (width, height) and keyword options.

    Attributes:
        takes: The keys of `architecture` that it is given; all have `options`.
        any_size: Whether it takes every image size; others are tried out before a run spends anything.
    """

    target: str
    takes: tuple[str, ...] = ()
    any_size: bool = False


ARCHITECTURES = {
    "vgg16": ArchitectureEntry("faceflip.networks.vgg:vgg16", ("width", "dropout", "pooling"), any_size=True),
    "small_resnet18": ArchitectureEntry("faceflip.networks.resnet:small_resnet18", ("width",), any_size=True),
}
ZOOS = {
    "torchvision": ArchitectureEntry("faceflip.networks.zoos:torchvision_model"),
    "timm": ArchitectureEntry("faceflip.networks.zoos:timm_model"),
}
"""Collections of architectures; ``torchvision/resnet18`` names one of torchvision's."""


@dataclass(frozen=True)
class DirectionEntry:
    """Where an attack goes (`faceflip.attacks.directions.Direction`).

    Attributes:
        takes: The options of attacks that it heeds.
        later: Those of them that change only steps after the first, and so no search along a line.
        whole_loss: Whether it raises the loss of all attributes of a network at once, unless `fgs_scope` limits it.
    """

    target: str
    takes: tuple[str, ...] = ("fgs_label", "fgs_scope", "ffa_target", "ffa_crossed", "ffa_objective")
    later: tuple[str, ...] = ()
    whole_loss: bool = False


DIRECTIONS = {
    "fgs": DirectionEntry("faceflip.attacks.directions:FGS", ("fgs_label", "fgs_scope"), whole_loss=True),
    "ffa": DirectionEntry(
        "faceflip.attacks.directions:FFA", ("ffa_target", "ffa_crossed", "ffa_objective"), ("ffa_target", "ffa_crossed")
    ),
    "boundary": DirectionEntry("faceflip.attacks.directions:Boundary", ()),
    "ffa-ssim": DirectionEntry(
        "faceflip.attacks.similar:SimilarFFA",
        ("ffa_target", "ffa_crossed", "ffa_objective"),
        ("ffa_target", "ffa_crossed"),
    ),
}


@dataclass(frozen=True)
class SearchEntry:
    """How far an attack goes (`faceflip.attacks.searches.Search`).

    Attributes:
        kind: What tables group it under.
        takes: The options of attacks that it heeds.
        epsilon: What the column epsilon of its attempts counts.
        whole_attack: Whether it is an attack from elsewhere, which finds its own way, so that it has no direction.
        gradients: The option that says how many gradients an attempt takes beside the first, if one does.
    """

    target: str
    kind: str
    takes: tuple[str, ...] = ("max_epsilon", "epsilon_tolerance", "search_precision", "max_steps", "descent_steps")
    epsilon: str = "pixel values"
    whole_attack: bool = False
    gradients: str | None = None


LINE, ITERATIVE, MINIMAL, REFERENCE = "line", "iterative", "minimal", "reference"
"""Kinds of searches: along one ray, step by step, for small perturbations, and by an attack that is not ours."""

_ALONG = ("max_epsilon", "epsilon_tolerance", "search_precision")
"""What every search heeds that goes along a ray, in the end at least."""

SEARCHES = {
    "doubling": SearchEntry("faceflip.attacks.line:LineSearch", LINE, _ALONG),
    "scan": SearchEntry("faceflip.attacks.line:Scan", LINE, _ALONG),
    "iterative": SearchEntry("faceflip.attacks.iterative:IterativeSearch", ITERATIVE, ("max_steps",), "steps"),
    "newton": SearchEntry("faceflip.attacks.minimal:NewtonSearch", MINIMAL, ("max_steps", *_ALONG)),
    "descent": SearchEntry(
        "faceflip.attacks.minimal:DescentSearch",
        MINIMAL,
        ("descent_steps", *_ALONG),
        gradients="descent_steps",
    ),
}

FOREIGN = "faceflip.attacks.reference_search:ForeignSearch"
FOREIGN_SEARCHES = {
    "reference": SearchEntry(FOREIGN, REFERENCE, ("file", "options"), whole_attack=True),
    "reference-line": SearchEntry(FOREIGN, LINE, ("file", "options", "then", *_ALONG), whole_attack=True),
}
"""What attacks by `file` are carried out by, with and without `then`; no configuration names these."""


@dataclass(frozen=True)
class AttackEntry:
    """A way to attack: where to go and how far, each the name of an entry or a reference.

    Attributes:
        title: What it does, in a line.
        gradients: Gradient passes an attempt, for `faceflip plan`: rounded up from the means of narrow networks
            (docs/development/measurements.md, docs/guides/questions.md); by default the most that any attack here
            takes, and so below.
        forwards: Forward passes an attempt.
        share_of_raw: Bytes of a stored perturbation for each pixel value, with gzip (docs/development/measurements.md).
    """

    direction: str
    search: str
    title: str = "of your own"
    gradients: int = 14
    forwards: int = 16
    share_of_raw: float = 0.70


PAPER_ATTACKS = {
    "fgs-line": AttackEntry(
        "fgs", "doubling", "smallest whole epsilon along the sign of the loss gradient", 1, 9, 0.30
    ),
    "fgs-iterative": AttackEntry(
        "fgs", "iterative", "steps of one pixel value along the sign of the loss gradient", 11, 2, 0.44
    ),
    "ffa-line": AttackEntry(
        "ffa", "doubling", "smallest epsilon along the gradient that moves one score to zero", 1, 16, 0.63
    ),
    "ffa-iterative": AttackEntry(
        "ffa", "iterative", "steps of one pixel value at most that move one score to zero", 14, 4, 0.70
    ),
}
"""In the order of the paper's tables."""

ATTACKS = PAPER_ATTACKS | {
    "ffa-newton": AttackEntry(
        "boundary", "newton", "smallest epsilon along what Newton steps to the boundary add up to", 29, 16, 0.63
    ),
    "ffa-descent": AttackEntry(
        "boundary", "descent", "the smallest perturbation that a ray finds that turns with the gradient", 31, 13, 0.63
    ),
}


@dataclass(frozen=True)
class DietEntry:
    """What a network is fine-tuned on beside clean images (`faceflip.training.diets`); all keep their annotated labels.

    Attributes:
        title: What the extra images are, in a line.
        takes: The attempts that they are made of, those that an attack flipped at PASS >= tau: of images that the
            source classified ``right`` or ``wrong``; None where no store is read.
        factors: What the perturbation is multiplied by, each in turn; 0 is the image itself.
        shuffled: Whether the perturbation's values change places.
        parts: Diets that it has in equal parts.
        steps: Gradient steps of the attack that makes them on the fly; 0 where nothing is made on the fly.
        step_size: Of such a step, as a multiple of the largest change of a pixel value.
    """

    title: str
    takes: str | None = None
    factors: tuple[float, ...] = (1.0,)
    shuffled: bool = False
    parts: tuple[str, ...] = ()
    steps: int = 0
    step_size: float = 0.0

    @property
    def of_store(self) -> bool:
        """Whether perturbation stores are read for it."""
        return self.takes is not None or bool(self.parts)


DIETS = {
    "control": DietEntry("no extra images: equally many steps on clean ones"),
    "noise": DietEntry(
        "correctly classified images with the values of a perturbation shuffled", "right", shuffled=True
    ),
    "adversarial": DietEntry("adversarial images of correctly classified ones", "right"),
    "hard": DietEntry("hard positives: perturbations beyond the flip", "right", (1.05, 1.1, 1.5, 2.0)),
    "corrected": DietEntry("natural adversarial images as an attack corrected them", "wrong"),
    "augmented": DietEntry("natural adversarial images with less than corrects them", "wrong", (0.25, 0.5, 0.75)),
    "natural": DietEntry("natural adversarial images themselves", "wrong", (0.0,)),
    "all": DietEntry(
        "adversarial, hard, corrected and augmented in equal parts",
        parts=("adversarial", "hard", "corrected", "augmented"),
    ),
    "fgsm-rs": DietEntry("made on the fly by one step of gradient signs from a random start", steps=1, step_size=1.25),
    "pgd": DietEntry("made on the fly by projected gradient descent from a random start", steps=7, step_size=0.25),
}


@dataclass(frozen=True)
class LibraryEntry:
    """A library of attacks, of which `file` names one.

    Attributes:
        distribution: What package registries call it.
        pip: What to say to ``pip install`` where it is missing.
    """

    distribution: str
    pip: str


ATTACK_LIBRARIES = {
    # Its dependency visdom, a server of charts that attacks do without, cannot be built by today's setuptools.
    "adv_lib": LibraryEntry("adv-lib", "--no-deps adv-lib tqdm"),
    "art": LibraryEntry("adversarial-robustness-toolbox", "adversarial-robustness-toolbox"),
    "foolbox": LibraryEntry("foolbox", "foolbox"),
    "torchattacks": LibraryEntry("torchattacks", "torchattacks"),
}
"""By the module that is imported. Others are taken as well where they call their attacks as one of these does."""


@dataclass(frozen=True)
class LibraryAttackEntry:
    """What is known of an attack of a library: the passes of an attempt, as `benchmarks/passes.py` measures them.

    Attributes:
        steps: Options whose product is its number of steps, with the library's defaults; of a list the length counts.
        gradients: Gradient passes a step.
        forwards: Forward passes a step.
        more_gradients: Gradient passes beside those of its steps.
        more_forwards: Forward passes beside those of its steps, such as that of the verdict.
        most: Steps that it takes in the mean where it ends by itself.
        third_class: Whether its loss looks at a third class whatever its options are.
    """

    steps: Mapping[str, int] = field(default_factory=dict)
    gradients: float = 1
    forwards: float = 0
    more_gradients: float = 0
    more_forwards: float = 1
    most: float = math.inf
    third_class: bool = False


_Passes = LibraryAttackEntry
"""Short, so that an attack is a line of the table."""

LIBRARY_ATTACKS = {
    "adv_lib:alma": _Passes({"num_steps": 1000}, third_class=True),
    "adv_lib:apgd": _Passes({"n_iter": 100}, more_gradients=2),
    "adv_lib:apgd_targeted": _Passes({"n_iter": 100}, more_gradients=2),
    "adv_lib:minimal_apgd": _Passes({"n_iter": 100, "binary_search_steps": 20}, 1.1, 0.1),
    "adv_lib:carlini_wagner_l2": _Passes({"max_iterations": 10_000, "binary_search_steps": 9}, 0.14),
    "adv_lib:ddn": _Passes({"steps": 100}),
    "adv_lib:df": _Passes({"steps": 100}, most=5),
    "adv_lib:fab": _Passes({"n_iter": 100}, forwards=1),
    "adv_lib:fmn": _Passes({"steps": 10}),
    "adv_lib:pdgd": _Passes({"num_steps": 500}),
    "adv_lib:pdpgd": _Passes({"num_steps": 500}),
    "adv_lib:perc_al": _Passes({"max_iterations": 1000}, forwards=1),
    "adv_lib:pgd_linf": _Passes({"steps": 40}, more_gradients=1),
    "adv_lib:sdf": _Passes({"steps": 100}, 2, 1.4, most=9),
    "adv_lib:sigma_zero": _Passes({"num_steps": 1000}),
    "adv_lib:tr": _Passes({"iter": 100}, 0.9, 0.9),
    "adv_lib:vfga": _Passes({"max_iter": 100}, forwards=20, most=12),
    "foolbox:BoundaryAttack": _Passes({"steps": 25_000}, 0, 1.1, 1, 33),
    "foolbox:DDNAttack": _Passes({"steps": 100}, more_forwards=2),
    "foolbox:HopSkipJumpAttack": _Passes({"steps": 64, "initial_gradient_eval_steps": 100}, 0, 4, 1, 20),
    "foolbox:L2CarliniWagnerAttack": _Passes({"steps": 10_000, "binary_search_steps": 9}, 0.14, more_forwards=2),
    "foolbox:L2DeepFoolAttack": _Passes({"steps": 50}, more_forwards=2, most=5),
    "foolbox:L2FMNAttack": _Passes({"steps": 100}, more_forwards=2),
    "foolbox:LInfFMNAttack": _Passes({"steps": 100}, more_forwards=2),
    "foolbox:LinearSearchBlendedUniformNoiseAttack": _Passes({"steps": 1000}, 0, 0.45, 1, 9),
    "foolbox:LinearSearchContrastReductionAttack": _Passes({"steps": 1000}, 0, 0.7, 1, 2),
    "foolbox:LinfDeepFoolAttack": _Passes({"steps": 50}, more_forwards=2, most=6),
    "foolbox:NewtonFoolAttack": _Passes({"steps": 100}, more_forwards=2),
    **{
        f"foolbox:{norm}{name}": _Passes({"steps": steps, "epsilons": 1}, more_gradients=more, more_forwards=2)
        for norm in ("L1", "L2", "Linf")
        for name, steps, more in (
            ("BasicIterativeAttack", 10, 0),
            ("MomentumIterativeFastGradientMethod", 10, 0),
            ("PGD", 40 if norm == "Linf" else 50, 1),
            ("ProjectedGradientDescentAttack", 40 if norm == "Linf" else 50, 1),
        )
    },
    "foolbox:FGSM": _Passes({"epsilons": 1}, 0, 2, 1, 0),
    "foolbox:MIFGSM": _Passes({"steps": 10, "epsilons": 1}, more_forwards=2),
    "foolbox:PGD": _Passes({"steps": 40, "epsilons": 1}, more_gradients=1, more_forwards=2),
    **{f"foolbox:{norm}FastGradientAttack": _Passes({"epsilons": 1}, 0, 2, 1, 0) for norm in ("L1", "L2", "Linf")},
    "torchattacks:APGD": _Passes({"steps": 10}, more_gradients=2),
    "torchattacks:APGDT": _Passes({"steps": 10}, more_gradients=2, third_class=True),
    "torchattacks:AutoAttack": _Passes({}, more_gradients=14, more_forwards=420, third_class=True),
    "torchattacks:BIM": _Passes({"steps": 10}),
    "torchattacks:CW": _Passes({"steps": 50}, 0.3),
    "torchattacks:DeepFool": _Passes({"steps": 50}, most=6),
    "torchattacks:FAB": _Passes({"steps": 10}, forwards=1, more_forwards=2),
    "torchattacks:FGSM": _Passes(),
    "torchattacks:MIFGSM": _Passes({"steps": 10}),
    "torchattacks:PGD": _Passes({"steps": 10}, more_gradients=1),
    "torchattacks:PGDL2": _Passes({"steps": 10}, more_gradients=1),
    "torchattacks:Square": _Passes({"n_queries": 5000}, 0, 0.4, 1, 12),
    "art:AutoProjectedGradientDescent": _Passes({"max_iter": 100}, 1, 1, 1, 4),
    "art:BasicIterativeMethod": _Passes({"max_iter": 100}, more_forwards=2),
    "art:BoundaryAttack": _Passes({"max_iter": 5000}, 0, 30, 1, 80),
    "art:CarliniL2Method": _Passes({"max_iter": 10, "binary_search_steps": 10}, 1.8, 4),
    "art:DeepFool": _Passes({"max_iter": 100}, 0.35, 0.35, 1, 1),
    "art:FastGradientMethod": _Passes(),
    "art:HopSkipJump": _Passes({"max_iter": 50, "init_eval": 100}, 0, 2.5, 1, 10),
    "art:ProjectedGradientDescent": _Passes({"max_iter": 100}, more_forwards=2),
}
"""By library and name, under whichever of its modules it is; on networks of the embedded default (docs)."""


@dataclass(frozen=True)
class SimilarityEntry:
    """How like two images are: called with originals and perturbed images, each (N, H, W, 3) uint8.

    The function returns a table with the columns, or for one column an array (N,).
    """

    target: str
    columns: tuple[str, ...]


SIMILARITIES = {
    "pass-1": SimilarityEntry(
        "faceflip.similarity.scoring:score_table",
        ("pass", "ssim", "pass_gray", "ssim_gray", "ecc", "iterations", "alignment"),
    ),
}
"""The definition of PASS comes with three more similarities that it computes on the way."""


READERS = {"celeba": "faceflip.data.celeba.source:CelebA", "table": "faceflip.data.table:LabelTable"}
"""Classes that read faces and labels; drawn faces are written as a CelebA and read as one."""


# Each `find_...` returns the entry of a name, or raises `UserError` with the near names.


def find_loss(name: str) -> LossEntry:
    """Return the entry of a loss."""
    return LossEntry(name, label_of(name)) if is_reference(name) else look_up(LOSSES, name, "loss")


def find_architecture(name: str) -> ArchitectureEntry:
    """Return the entry of an architecture."""
    if is_reference(name):
        return ArchitectureEntry(name)
    zoo, slash, _ = name.partition("/")
    return look_up(ZOOS, zoo, "collection of architectures") if slash else look_up(ARCHITECTURES, name, "architecture")


def find_direction(name: str) -> DirectionEntry:
    """Return the entry of a direction."""
    return DirectionEntry(name) if is_reference(name) else look_up(DIRECTIONS, name, "direction")


def find_search(name: str) -> SearchEntry:
    """Return the entry of a search; your own is a kind of its own."""
    if name in FOREIGN_SEARCHES:
        return FOREIGN_SEARCHES[name]
    return SearchEntry(name, label_of(name)) if is_reference(name) else look_up(SEARCHES, name, "search")


def find_attack(name: str, direction: str | None = None, search: str | None = None) -> AttackEntry:
    """Return the entry of an attack, with another direction or search where these are given.

    With both, any name will do; where only one of them is given, `UserError` asks for the other of a new name.
    """
    if name not in ATTACKS and direction and search:
        return AttackEntry(direction, search)
    if name not in ATTACKS and (direction or search):
        missing = "search" if direction else "direction"
        raise UserError(f"attack {name!r} also needs the option {missing}, as it is none of {', '.join(ATTACKS)}")
    known = look_up(ATTACKS, name, "attack")
    if direction in (None, known.direction) and search in (None, known.search):
        return known
    return AttackEntry(direction or known.direction, search or known.search, known.title)


def parts_of(attack: str, kind: str) -> tuple[str, str]:
    """Return what tables call an attack: its name without the kind of search that it ends in, and that kind."""
    return attack.removesuffix(f"-{kind}"), kind
