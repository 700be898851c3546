"""What the figures on fine-tuning share: how diets look, what they are called, and which sample is shown."""

from collections.abc import Iterable
from itertools import groupby

import pandas as pd

from faceflip.analysis.names import checkpoint_name, images_of, ordered
from faceflip.analysis.run import RunDescription
from faceflip.analysis.tunings import BEFORE, CONTROL, TunedGroup, lead_attack, tuned_groups
from faceflip.attempt import FINAL, TUNED
from faceflip.catalogue import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from faceflip.figures.lettering import plain
from faceflip.figures.style import GREY

NO_TUNING = "This run has no attacks on fine-tuned networks."
LOOKS = {
    BEFORE: (GREY, "s", True),
    CONTROL: (BLACK, "X", True),
    "noise": (ORANGE, "<", True),
    "adversarial": (BLUE, "o", True),
    "hard": (VERMILION, "^", True),
    "corrected": (GREEN, "D", True),
    "augmented": (PURPLE, "v", True),
    "natural": (SKY, "P", True),
    "all": (BLUE, "*", False),
    "fgsm-rs": (VERMILION, "p", False),
    "pgd": (GREEN, "h", False),
}
"""Colour, mark, and whether it is filled; those of no diet are alike without colours."""
OF_ONES_OWN = (PURPLE, "d", False)


def look_of(diet: str) -> tuple[str, dict]:
    """Return a diet's colour, and what Matplotlib needs to draw its mark."""
    color, marker, filled = LOOKS.get(diet, OF_ONES_OWN)
    look = {"marker": marker, "color": color, "markerfacecolor": color if filled else "white"}
    return color, look | {"markeredgewidth": 0.8, "markersize": 5.5 if marker == "*" else 4.2}


def label_of(group: TunedGroup) -> str:
    """Return what a group is called beside others of its source: its diet, or its name where two have the same."""
    if group.diet == BEFORE:
        return "source"
    return plain(group.diet if group.label == group.diet else group.name)


def source_name(group: TunedGroup, run: RunDescription) -> str:
    """Return the source of a group in words: ``MOON``, with its checkpoint if that is not the last."""
    short = run.network(group.source).short if group.source in run.network_names else group.source
    return plain(short + ("" if group.checkpoint in FINAL else f", {checkpoint_name(group.checkpoint)}"))


def attack_name(attack: str, run: RunDescription) -> str:
    """Return an attack in words: ``FFA, line search``."""
    return plain(run.attack(attack).words)


def sample_name(sample: str, run: RunDescription) -> str:
    """Return a sample in words: ``unseen: 1,000 test images``."""
    if sample not in run.samples:
        return plain(sample)
    return plain(f"{sample}: {images_of(run.samples[sample])}")


def shown_sample(samples: Iterable[str], run: RunDescription) -> str:
    """Return which of some samples is shown where there is room for one: of the test split, else the first."""
    present = ordered(samples, run.samples)
    unseen = [name for name in present if run.samples.get(name, {}).get("split") == "test"]
    return (unseen or present)[0]


def families_of(run: RunDescription) -> list[list[TunedGroup]]:
    """Return the groups of fine-tuned networks by their source, which is the first of each."""
    return [list(family) for _, family in groupby(tuned_groups(run), lambda each: (each.source, each.checkpoint))]


def lead_attempts(attempts: pd.DataFrame, run: RunDescription) -> tuple[pd.DataFrame, str, str] | None:
    """Return the attempts by the attack that is looked at closer on the sample that is shown, and the names of both.

    They are those of fine-tuned networks, and where there are such, of their sources, too; None without any.
    """
    attempts = attempts[~attempts["sample"].isin({each.sample for each in run.tunings})]
    made = attempts["checkpoint"] == TUNED
    tuned, before = (
        set(part[["attack", "sample"]].drop_duplicates().itertuples(index=False, name=None))
        for part in (attempts[made], attempts[~made])
    )
    if not tuned:
        return None
    pairs = (tuned & before) or tuned
    attack = lead_attack(sorted({attack for attack, _ in pairs}), run)
    sample = shown_sample((sample for name, sample in pairs if name == attack), run)
    return attempts[(attempts["attack"] == attack) & (attempts["sample"] == sample)], attack, sample
