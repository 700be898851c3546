"""What `faceflip diff` says about two stores."""

from typing import Any

import numpy as np

from faceflip.errors import UserError
from faceflip.store.reader import Store

QUANTILES = (0.05, 0.5, 0.95)


def compare(a: Store, b: Store) -> dict[str, Any]:
    """Compare two stores attempt by attempt; an attempt is the same one where attribute and image are.

    Returns:
        same (whether all attempts, outcomes and perturbations are), same_bytes, header (what differs: [value in a,
        value in b]), and numbers of attempts: only in a, only in b, in both; of those in both: flipped in both, only in
        a, only in b, same outcome; of those flipped in both: same perturbation, epsilon_ratio (quantiles of b over a).

    Raises UserError where a store has two attempts on one attribute of one image.
    """
    for store in (a, b):
        twice = store.attempts[store.attempts.duplicated(["attribute", "image"])]
        if len(twice):
            row, attribute, image = twice.iloc[0][["row", "attribute", "image"]]
            fault = f"attempt {row} is on {attribute} of image {image}, as one before it"
            raise UserError(f"{store.path}: {fault}, so that they cannot be told apart; such stores cannot be compared")
    both = a.attempts.merge(b.attempts, on=["attribute", "image"], how="outer", suffixes=("_a", "_b"), indicator="side")
    only_a, only_b = int((both["side"] == "left_only").sum()), int((both["side"] == "right_only").sum())
    common = both[both["side"] == "both"]
    flipped_a, flipped_b = common["flipped_a"].astype(bool), common["flipped_b"].astype(bool)
    flipped = common[flipped_a & flipped_b]
    ratio = (flipped["epsilon_b"] / flipped["epsilon_a"]).dropna()
    partner = dict(zip(flipped["row_a"].astype(int), flipped["row_b"].astype(int), strict=True))
    same_perturbation = sum(
        np.array_equal(perturbation, b.perturbation(partner[row]))
        for block in a.blocks(list(partner))
        for row, perturbation in zip(block.rows.tolist(), block.perturbations, strict=True)
    )
    header_b = vars(b.header)
    same_outcome = int((common["outcome_a"] == common["outcome_b"]).sum())
    return {
        "same": only_a == only_b == 0 and same_outcome == len(common) and same_perturbation == len(flipped),
        "same_bytes": a.seal.sha256 == b.seal.sha256,
        "header": {name: [value, header_b[name]] for name, value in vars(a.header).items() if value != header_b[name]},
        "only_in_a": only_a,
        "only_in_b": only_b,
        "in_both": len(common),
        "flipped_in_both": len(flipped),
        "flipped_only_in_a": int((flipped_a & ~flipped_b).sum()),
        "flipped_only_in_b": int((flipped_b & ~flipped_a).sum()),
        "same_outcome": same_outcome,
        "same_perturbation": same_perturbation,
        "epsilon_ratio": {f"{q:g}": float(ratio.quantile(q)) for q in QUANTILES} if len(ratio) else None,
    }
