"""Adversarial images at two checkpoints of the same training (Table 2).

The overlap counts pairs of image and attribute that are adversarial with the same sign at both checkpoints; the column
beside it counts those whose sign changed, and no others (an image misclassified at the early epoch and classified
correctly when converged, say, adversarial both times). If training taught the networks their adversarial images, the
converged column would be the smaller one and the overlap small. The overlap can never be larger than either count.

Of CelebA alone: the paper's text says that its 5,884 includes pairs whose sign changed, but it is the sum of the
overlaps of its rows.
"""

from collections.abc import Sequence

import pandas as pd

from faceflip.analysis.frames import Inputs, adversarial, arranged, read_attempts, signs_of, with_parts
from faceflip.analysis.names import SIGNS, SPLIT_SIGNS, checkpoint_name, search_name, signed
from faceflip.analysis.pages import Column, Sheet, nothing, number
from faceflip.analysis.run import RunDescription
from faceflip.attempt import CONVERGED, FINAL
from faceflip.errors import UserError

ATTACK = ["network", "checkpoint", "method", "search"]
"""What is compared with the converged checkpoint; `checkpoint` is the early one."""

TITLE = "Adversarial images at two checkpoints"


def pair_checkpoints(attempts: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Put the attempts at an early checkpoint beside those of the same attack on the converged one.

    Returns:
        One row per network, early checkpoint, attack, attribute and image that was attacked at both: network,
        checkpoint, method, search, attribute, image, correct_early, correct_converged, adversarial_early,
        adversarial_converged. And doubtful, whether its label is, where the attempts have that.

    Raises:
        UserError: A network was attacked with other images or attributes at one checkpoint than at the other.
    """
    keys = ["network", "method", "search", "attribute", "image"]
    parts = with_parts(attempts, run)
    in_doubt = list(parts.columns.intersection(["doubtful"]))
    parts = parts[[*keys, "checkpoint", "correct", *in_doubt]].assign(adversarial=adversarial(parts, run.threshold))
    late = parts[parts["checkpoint"] == CONVERGED].drop(columns=["checkpoint", *in_doubt])
    tables = []
    for checkpoint in [name for name in run.checkpoints if name not in FINAL]:
        early = parts[parts["checkpoint"] == checkpoint].drop(columns="checkpoint")
        pairs = early.merge(late, on=keys, suffixes=("_early", "_converged"), validate="one_to_one")
        _require_the_same(checkpoint, early, late, pairs)
        tables.append(pairs.assign(checkpoint=checkpoint))
    columns = [*ATTACK, "attribute", "image"]
    columns += [f"{name}_{side}" for name in ("correct", "adversarial") for side in ("early", "converged")]
    columns += in_doubt
    pairs = pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    return pairs.astype({"network": "str", "method": "str", "search": "str"})


def _require_the_same(checkpoint: str, early: pd.DataFrame, late: pd.DataFrame, pairs: pd.DataFrame) -> None:
    attacks = ["network", "method", "search"]
    sizes = pd.concat([side.groupby(attacks, observed=True).size() for side in (early, late, pairs)], axis=1, sort=True)
    for (network, method, _), counts in sizes.dropna(subset=[0, 1]).iterrows():
        at_early, at_converged, shared = counts.fillna(0).astype(int)
        if not at_early == at_converged == shared:
            raise UserError(
                f"{method} on {network} has {at_early:,} attempts at {checkpoint} and {at_converged:,} when converged, "
                f"with {shared:,} pairs of image and attribute in common; attack the same ones at both"
            )


def checkpoint_overlap(pairs: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Count the adversarial images of `pair_checkpoints` at the two checkpoints and at both.

    Returns:
        Columns network, checkpoint (the early one), method, search, sign (of `signs_of`), early, converged, overlap
        (same sign), overlap_other_sign (adversarial at both checkpoints, with this sign at the early one and the other
        one when converged).
    """
    counts = []
    for about, group in pairs.groupby(ATTACK, observed=True):
        for sign in signs_of(pairs):
            part = group[group["doubtful"] == (sign == SPLIT_SIGNS[1])] if sign in SPLIT_SIGNS else group
            early, late = (
                part[f"adversarial_{side}"] & (part[f"correct_{side}"] == (sign == "+"))
                for side in ("early", "converged")
            )
            other = early & part["adversarial_converged"] & ~late
            counts.append((*about, sign, *(int(hits.sum()) for hits in (early, late, early & late, other))))
    columns = [*ATTACK, "sign", "early", "converged", "overlap", "overlap_other_sign"]
    return arranged(pd.DataFrame(counts, columns=columns), run, ["network", "checkpoint", "search", "sign", "method"])


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `checkpoint_overlap` of the run's attempts."""
    return checkpoint_overlap(pair_checkpoints(read_attempts(inputs["attempts"], run), run), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the counts out as the paper does, a sheet for each early checkpoint and search.

    Where labels are in doubt there are as many again, of the misclassified and their parts.
    """
    made = _by_attack(frame[frame["sign"].isin(SIGNS)], run, TITLE)
    if run.doubt:
        minus = arranged(frame[frame["sign"].isin(["-", *SPLIT_SIGNS])], run, [*ATTACK[:2], "search", "method", "sign"])
        title = f"{TITLE}, misclassified pairs by whether their label is in doubt"
        made += _by_attack(minus, run, title, run.doubt_notes)
    why = "This run attacks no network at an early checkpoint and when converged by the same attack."
    return made or [nothing(TITLE, why)]


def _by_attack(frame: pd.DataFrame, run: RunDescription, title: str, notes: Sequence[str] = ()) -> list[Sheet]:
    """Return a sheet for each early checkpoint and search."""
    counts = ["early", "converged", "overlap", "overlap_other_sign"]
    made = []
    for (checkpoint, search), part in frame.groupby(["checkpoint", "search"], sort=False):
        rows = [
            [run.network(row["network"]).title, signed(run.method_name(row["network"], row["method"]), row["sign"])]
            + [number(row[column]) for column in counts]
            for row in part.to_dict("records")
        ]
        changes = frozenset(place for place in range(1, len(rows)) if rows[place][0] != rows[place - 1][0])
        headings = [checkpoint_name(checkpoint), "converged", "overlap", "overlap, sign changed"]
        columns = [Column("network", align="l"), Column("attack", align="l"), *map(Column, headings)]
        words = f"{title}, {search_name(search)}, PASS of at least {run.threshold:g}"
        made.append(Sheet(words, columns, rows, notes, changes))
    return made
