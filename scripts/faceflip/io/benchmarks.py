"""What a job took, from the file that Snakemake's `benchmark:` writes when the job has ended."""

import csv
import math
from pathlib import Path


def read_benchmark(path: Path | str) -> tuple[float, float]:
    """Return the seconds of a job on the clock, and its largest resident set in MB, NaN where it was not measured.

    Raises OSError or ValueError where the file is missing, empty or damaged.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"), None)
    if row is None or row.get("s") is None or "max_rss" not in row:
        raise ValueError("expected a line of values below a line of names, s and max_rss among them")
    memory = row["max_rss"]
    return float(row["s"]), math.nan if memory in (None, "", "-") else float(memory)
