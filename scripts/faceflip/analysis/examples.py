"""Which adversarial images are shown (Fig. 1), chosen by rule.

Two images are shown, each attacked by FFA with both searches: one that a separate network misclassifies and the
perturbation corrects (a natural adversarial image), and one that MOON classifies correctly and the perturbation flips
together with other attributes. Among all that qualify it is the one with the median PASS of the line search: a typical
image, not the most pleasing one. Where nothing qualifies the rule is relaxed step by step, and the remark says so.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from faceflip.analysis.frames import adversarial

SEARCHES = ("line", "iterative")


@dataclass(frozen=True)
class Example:
    """An attempt to show.

    Attributes:
        network: Kind of network.
        search: Of FFA.
        attribute: Attacked attribute.
        image: Row in the dataset.
        file_name: Of the image.
        present: Decision before the attack; the attack turned it round.
        correct: Whether this was right.
        similarity: PASS.
        others: Other attributes whose decisions changed, with the decision after the attack (true: present).
    """

    network: str
    search: str
    attribute: str
    image: int
    file_name: str
    present: bool
    correct: bool
    similarity: float
    others: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True)
class Choice:
    """What is shown of one kind of network: an example for each search, None where it did not flip the image."""

    network: str
    examples: tuple[Example | None, Example | None]
    remark: str = ""


def choose_examples(attempts: pd.DataFrame, transfers: pd.DataFrame, threshold: float) -> tuple[Choice, Choice]:
    """Choose what Fig. 1 shows of the separate networks and of MOON.

    Args:
        attempts: The attempts table.
        transfers: The transfers table, with score_after.
        threshold: Least PASS of an adversarial image.
    """
    return (
        _choose(attempts, transfers, threshold, "euclidean", want_correct=False),
        _choose(attempts, transfers, threshold, "moon", want_correct=True),
    )


def _choose(
    attempts: pd.DataFrame, transfers: pd.DataFrame, threshold: float, network: str, want_correct: bool
) -> Choice:
    both = _side_by_side(attempts, network, threshold)
    if both.empty or not both["flipped_line"].any():
        return Choice(network, (None, None), "FFA with line search flipped no image of this network")
    kind = "correctly classified" if want_correct else "misclassified"
    wanted = (both["correct"] == want_correct) & both["adversarial_line"]
    everywhere = wanted & both["adversarial_iterative"]
    steps = [
        (everywhere, ""),
        (wanted, f"no {kind} image is adversarial by both searches"),
        ((both["correct"] == want_correct) & both["flipped_line"], f"no {kind} image reaches a PASS of {threshold:g}"),
        (both["adversarial_line"], f"no {kind} image was flipped"),
        (both["flipped_line"], f"no {kind} image was flipped, and none reaches a PASS of {threshold:g}"),
    ]
    if network == "moon":
        changes = _changes(transfers)
        steps.insert(0, (everywhere & _changing_others(both, changes), ""))
        steps[1] = (everywhere, "no image changes other attributes by both searches")
    qualified, remark = next((rows, remark) for rows, remark in steps if rows.any())
    ranked = both[qualified].sort_values(["pass_line", "attribute", "image"])
    row = ranked.iloc[(len(ranked) - 1) // 2]
    return Choice(network, tuple(_example(row, network, search, transfers) for search in SEARCHES), remark)


def _side_by_side(attempts: pd.DataFrame, network: str, threshold: float) -> pd.DataFrame:
    """Return FFA's attempts on the converged network, one row per attribute and image, a column set per search."""
    chosen = attempts[(attempts["network"] == network) & (attempts["checkpoint"] == "converged")]
    sides = []
    for search in SEARCHES:
        side = chosen[chosen["attack"] == f"ffa-{search}"]
        columns = ["attribute", "image", "flipped", "pass"]
        columns += ["file_name", "correct", "score_before"] * (search == "line")
        side = side[columns].assign(adversarial=adversarial(side, threshold)).astype({"attribute": "str"})
        sides.append(side.rename(columns={name: f"{name}_{search}" for name in ("flipped", "pass", "adversarial")}))
    both = sides[0].merge(sides[1], on=["attribute", "image"], how="left", validate="one_to_one")
    flags = ["flipped_iterative", "adversarial_iterative"]
    return both.assign(**{name: both[name].eq(True) for name in flags})


def _changes(transfers: pd.DataFrame) -> pd.DataFrame:
    """Return the changed decisions of MOON on other attributes than the attacked one."""
    chosen = (transfers["network"] == "moon") & transfers["changed"]
    chosen &= transfers["attribute"].astype("str") != transfers["target"].astype("str")
    return transfers[chosen]


def _changing_others(both: pd.DataFrame, changes: pd.DataFrame) -> np.ndarray:
    pairs = pd.MultiIndex.from_frame(both[["attribute", "image"]])
    found = [
        pairs.isin(pd.MultiIndex.from_frame(part[["attribute", "image"]].astype({"attribute": "str"})))
        for part in (changes[changes["attack"] == f"ffa-{search}"] for search in SEARCHES)
    ]
    return found[0] & found[1]


def _example(row: pd.Series, network: str, search: str, transfers: pd.DataFrame) -> Example | None:
    if not row[f"flipped_{search}"]:
        return None
    others = ()
    if network == "moon":
        changes = _changes(transfers)
        mine = changes[
            (changes["attack"] == f"ffa-{search}")
            & (changes["attribute"] == row["attribute"])
            & (changes["image"] == row["image"])
        ].sort_values("target")
        others = tuple(
            (str(name), bool(score > 0)) for name, score in zip(mine["target"], mine["score_after"], strict=True)
        )
    return Example(
        network=network,
        search=search,
        attribute=row["attribute"],
        image=int(row["image"]),
        file_name=str(row["file_name"]),
        present=bool(row["score_before"] > 0),
        correct=bool(row["correct"]),
        similarity=float(row[f"pass_{search}"]),
        others=others,
    )
