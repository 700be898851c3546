"""What the line search missed, by trying every whole epsilon on some images of the sample.

The doubling search steps from 1 to 3, 7, 15 and so on until the decision changes, and bisects the last step. The
decision may change and change back within an earlier step. `missed` counts the attempts that only the scan flipped,
`longer` those that both flipped, the line search with a larger perturbation; the factors say by how much. A few percent
are to be expected where networks are far from linear along the ray; an attempt that only the line search flips would be
a fault.
"""

import pandas as pd

from faceflip.analysis.frames import Inputs, arranged, read_parquet
from faceflip.analysis.names import checkpoint_name
from faceflip.analysis.pages import Column, Sheet, number, percent
from faceflip.analysis.run import RunDescription

KEYS = ["network", "checkpoint", "attack"]
SCANS = (*KEYS, "flipped", "epsilon", "scan_flipped", "scan_epsilon", "same")
"""The columns of the table of scans that are counted."""


def line_search(scans: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Count where doubling and scan (`faceflip.stages.scan.scan_shards`) differ.

    Returns:
        Columns network, checkpoint, attack, attempts, flipped, scan_flipped, missed, longer (counts), and
        factor_median and factor_largest: the line search's epsilon by the scan's, over the attempts counted as longer.
    """
    line, scan, same = (scans[name].astype(bool) for name in ("flipped", "scan_flipped", "same"))
    longer = line & scan & ~same & (scans["epsilon"] > scans["scan_epsilon"])
    factor = (scans["epsilon"] / scans["scan_epsilon"]).where(longer).astype(float)
    frame = scans[KEYS].assign(flipped=line, scan_flipped=scan, missed=scan & ~line, longer=longer, factor=factor)
    counted = frame.groupby(KEYS, as_index=False).agg(
        attempts=("factor", "size"),
        flipped=("flipped", "sum"),
        scan_flipped=("scan_flipped", "sum"),
        missed=("missed", "sum"),
        longer=("longer", "sum"),
        factor_median=("factor", "median"),
        factor_largest=("factor", "max"),
    )
    return arranged(counted, run, KEYS)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `line_search` of the run."""
    return line_search(read_parquet(inputs["scans"], SCANS), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the counts out as percent of the attempts."""
    rows = [
        [
            run.network(row["network"]).title,
            checkpoint_name(row["checkpoint"]),
            row["attack"],
            f"{row['attempts']:,}",
            *(percent(row[name] / row["attempts"]) for name in ("flipped", "scan_flipped", "missed", "longer")),
            number(row["factor_median"]),
            number(row["factor_largest"]),
        ]
        for row in frame.to_dict("records")
    ]
    heads = [Column(name, align="l") for name in ("network", "checkpoint", "attack")] + [Column("attempts")]
    heads += [Column("line search", "flipped, percent"), Column("scan", "flipped, percent")]
    heads += [Column("only by scan", "missed, percent"), Column("larger ε", "missed, percent")]
    heads += [Column("median", "ε by scan's ε, where larger"), Column("largest", "ε by scan's ε, where larger")]
    notes = [] if rows else ["No line search was repeated: analysis.scan_images is 0, or no line attack was run."]
    return [Sheet("What the line search missed", heads, rows, notes)]
