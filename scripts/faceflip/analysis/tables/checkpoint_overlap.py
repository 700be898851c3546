"""Table 2: adversarial images at two checkpoints of the same training.

The overlap counts pairs of image and attribute that are adversarial with the same sign at both checkpoints; the column
beside it also counts those whose sign changed (an image misclassified at epoch 2 and classified correctly when
converged, adversarial both times). If training taught the networks their adversarial images, the converged column would
be the smaller one and the overlap small. The overlap can never be larger than either count.
"""

import pandas as pd

from faceflip.analysis.frames import Inputs, adversarial, in_order, read_attempts, with_parts
from faceflip.analysis.names import METHODS, NETWORK_NAMES, NETWORKS, SIGNS, method_name, ordered
from faceflip.analysis.pages import Column, Sheet, number
from faceflip.analysis.run import RunDescription
from faceflip.errors import UserError


def pair_checkpoints(attempts: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Put the line searches at the two checkpoints side by side.

    Args:
        attempts: The attempts table.
        threshold: Least PASS of an adversarial image.

    Returns:
        One row per network, attack, attribute and image that was attacked at both checkpoints: network, method,
        attribute, image, correct_epoch2, correct_converged, adversarial_epoch2, adversarial_converged.

    Raises:
        UserError: A network was attacked with other images or attributes at one checkpoint than at the other.
    """
    keys = ["network", "method", "attribute", "image"]
    parts = with_parts(attempts)
    line = parts[parts["search"] == "line"]
    line = line[[*keys, "checkpoint", "correct"]].assign(adversarial=adversarial(line, threshold))
    early = line[line["checkpoint"] == "epoch2"].drop(columns="checkpoint")
    late = line[line["checkpoint"] == "converged"].drop(columns="checkpoint")
    pairs = early.merge(late, on=keys, suffixes=("_epoch2", "_converged"), validate="one_to_one")
    attacks = ["network", "method"]
    sizes = pd.concat([side.groupby(attacks, observed=True).size() for side in (early, late, pairs)], axis=1, sort=True)
    for (network, method), counts in sizes.dropna(subset=[0, 1]).iterrows():
        at_epoch2, at_converged, shared = counts.fillna(0).astype(int)
        if not at_epoch2 == at_converged == shared:
            raise UserError(
                f"{method} on {network} has {at_epoch2:,} attempts at epoch2 and {at_converged:,} when converged, with "
                f"{shared:,} pairs of image and attribute in common; attack the same ones at both"
            )
    return pairs.astype({"network": "str", "method": "str"})


def table2(pairs: pd.DataFrame) -> pd.DataFrame:
    """Count adversarial images at the two checkpoints and at both.

    Args:
        pairs: From `pair_checkpoints`.

    Returns:
        Columns network, method, sign, epoch2, converged, overlap (same sign), overlap_other_sign (adversarial at both
        checkpoints, with this sign at epoch 2 and the other one when converged).
    """
    counts = []
    for (network, method), group in pairs.groupby(["network", "method"], observed=True):
        both = group["adversarial_epoch2"] & group["adversarial_converged"]
        for sign in SIGNS:
            early, late = (group[f"correct_{checkpoint}"] == (sign == "+") for checkpoint in ("epoch2", "converged"))
            counts.append(
                {
                    "network": network,
                    "method": method,
                    "sign": sign,
                    "epoch2": int((group["adversarial_epoch2"] & early).sum()),
                    "converged": int((group["adversarial_converged"] & late).sum()),
                    "overlap": int((both & early & late).sum()),
                    "overlap_other_sign": int((both & early & ~late).sum()),
                }
            )
    columns = ["network", "method", "sign", "epoch2", "converged", "overlap", "overlap_other_sign"]
    frame = pd.DataFrame(counts, columns=columns)
    return in_order(frame, {"network": NETWORKS, "sign": SIGNS, "method": ordered(frame["method"], METHODS)})


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `table2` of the run's attempts."""
    return table2(pair_checkpoints(read_attempts(inputs["attempts"]), run.threshold))


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the counts out as the paper does."""
    counts = ["epoch2", "converged", "overlap", "overlap_other_sign"]
    rows = [
        [NETWORK_NAMES[row["network"]], method_name(row["network"], row["method"]) + row["sign"]]
        + [number(row[column]) for column in counts]
        for row in frame.to_dict("records")
    ]
    changes = {place for place in range(1, len(rows)) if rows[place][0] != rows[place - 1][0]}
    headings = [f"epoch {run.early_epoch}", "converged", "overlap", "overlap, sign changed"]
    return [
        Sheet(
            title=f"Adversarial images at two checkpoints, line search, PASS of at least {run.threshold:g}",
            columns=[Column("network", align="l"), Column("attack", align="l"), *map(Column, headings)],
            rows=rows,
            breaks=frozenset(changes),
        )
    ]
