"""Transferability between networks: what adversarial images of one network do to others that decide on the attribute.

A cell is the share of the adversarial images of a network (FFA where it was run, both signs) that change the decision
of another network on the attacked attribute against the unperturbed image. It does not matter whether that network was
right. The last row is of all attributes together. Networks that see images alike are fooled alike: large shares mean
that an attack needs no access to the network that it is meant for. An attribute without adversarial images has no row.
(The CSV calls all attributes together `all`; `target` is the network that the images were shown to.)
"""

import pandas as pd

from faceflip.analysis.frames import Inputs, in_order, read_parquet, shares_by_image
from faceflip.analysis.names import ALL, display_name, ordered
from faceflip.analysis.pages import MISSING, Column, Sheet, nothing, percent_cell
from faceflip.analysis.run import RunDescription

KEYS = ["network", "checkpoint", "attack", "target", "attribute"]
COLUMNS = [*KEYS, "images", "changed", "rate", "low", "high"]
TITLE = "Transfer to other networks"


def transferability_between(transfers: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Count the adversarial images (of `faceflip.stages.transfer.transfer_between`) that change other decisions.

    Returns:
        Columns network, checkpoint, attack (of the images), target (network), attribute (``all``: together), images,
        changed, rate, low, high (95 %, of `shares_by_image`).
    """
    if transfers.empty:
        return pd.DataFrame(columns=COLUMNS)
    hits = transfers[[*KEYS, "image"]].assign(hit=transfers["changed"].to_numpy(bool))
    parts = [shares_by_image(hits, KEYS), shares_by_image(hits, KEYS[:-1]).assign(attribute=ALL)]
    frame = pd.concat(parts, ignore_index=True).rename(columns={"successes": "changed", "trials": "images"})
    orders = {"network": run.network_names, "attack": [each.name for each in run.attack_list]}
    orders |= {"target": run.network_names, "attribute": [*run.attributes, ALL]}
    return in_order(frame, orders)[COLUMNS]


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `transferability_between` of the run's sample; fine-tuned networks have tables of their own."""
    transfers = read_parquet(inputs["between"], ("sample", *KEYS, "image", "changed"))
    of_sample = transfers["sample"] == run.sample["name"]
    return transferability_between(transfers[of_sample & transfers["target"].isin(run.network_names)], run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the shares out, a sheet for each attack on a network, with a column for each network that saw its images."""
    made = []
    for (name, attack), part in frame.groupby(["network", "attack"], sort=False):
        targets = list(dict.fromkeys(part["target"]))
        cells = {(row["attribute"], row["target"]): row for row in part.to_dict("records")}
        rows = []
        for attribute in ordered(part["attribute"].unique(), [*run.attributes, ALL]):
            found = [cells.get((attribute, target)) for target in targets]
            images = max(row["images"] for row in found if row)
            shown = "all together" if attribute == ALL else display_name(attribute)
            rows.append([shown, f"{images:,}", *(percent_cell(row) if row else MISSING for row in found)])
        heads = [Column("attribute", align="l"), Column("adversarial images")]
        heads += [Column(run.network(target).short, "decision changed, percent") for target in targets]
        title = f"{run.network(name).short}, {attack}, PASS of at least {run.threshold:g}"
        made.append(Sheet(f"{TITLE}: {title}", heads, rows, breaks=frozenset({len(rows) - 1})))
    return made or [nothing(TITLE, "No adversarial image was shown to another network.")]
