"""What the run took: time and memory by rule, from the files that Snakemake's `benchmark:` wrote.

They differ from run to run, so they stand on the pages of the report only and in no table that is compared.
"""

import math
from pathlib import Path

import pandas as pd

from faceflip.analysis.pages import MISSING, Column, Sheet
from faceflip.io.benchmarks import read_benchmark

MEASURED_FROM = 0.5
"""Seconds after which Snakemake measures memory; what it measured before is an interpreter that has loaded nothing."""
LAST = "write_index"
"""The rule that writes the page; its own time is not known then, and what may be there is an earlier run's."""


def runtime(folder: Path) -> pd.DataFrame:
    """Summarise the benchmark files of a folder by rule, the longest first.

    The files are ``RULE.tsv`` of rules with one job, and ``RULE/JOB.tsv`` of the others. One that is empty or damaged
    is named on standard output and left out.

    Returns:
        Columns rule, jobs, total, mean, longest (seconds), memory (largest resident set of a job, MB; NaN where all
        jobs were over too soon to be measured).
    """
    columns = ["rule", "jobs", "total", "mean", "longest", "memory"]
    jobs = []
    for path in sorted(set(folder.rglob("*.tsv")).difference([folder / f"{LAST}.tsv"])):
        try:
            seconds, memory = read_benchmark(path)
        except (OSError, ValueError) as error:  # a job's cost is no result: the page does without it
            print(f"{path}: cannot be read as a benchmark ({error}); the job is left out of the page of costs")
            continue
        rule = path.relative_to(folder).with_suffix("").parts[0]
        jobs.append((rule, seconds, memory if seconds >= MEASURED_FROM else math.nan))
    if not jobs:
        return pd.DataFrame(columns=columns)
    grouped = pd.DataFrame(jobs, columns=["rule", "s", "max_rss"]).groupby("rule")
    seconds = grouped["s"].agg(["size", "sum", "mean", "max"]).set_axis(columns[1:5], axis="columns")
    table = seconds.assign(memory=grouped["max_rss"].max()).reset_index()
    return table.sort_values(["total", "rule"], ascending=[False, True], ignore_index=True)


def sheet(table: pd.DataFrame) -> Sheet:
    """Lay `runtime` out, with a total below."""
    measured = list(table.itertuples(index=False, name=None))
    if measured:
        largest = table["longest"].max(), table["memory"].max()
        measured.append(("all", table["jobs"].sum(), table["total"].sum(), None, *largest))
    rows = [
        [
            rule,
            f"{jobs:,}",
            f"{total:,.1f}",
            "" if mean is None else f"{mean:,.1f}",
            f"{longest:,.1f}",
            MISSING if pd.isna(memory) else f"{memory:,.0f}",
        ]
        for rule, jobs, total, mean, longest, memory in measured
    ]
    heads = [Column("rule", align="l"), Column("jobs")]
    heads += [Column(name, "seconds") for name in ("total", "mean", "longest job")]
    heads += [Column("largest job, MB")]
    notes = [
        "Seconds on the clock of each job, so that the total of jobs that ran side by side is more than the run took. "
        "All jobs are in it but the last, which wrote this page. Memory is measured from half a second on, so there is "
        f"none ({MISSING}) where all jobs of a rule were over sooner. Times differ from run to run and from machine to "
        "machine."
    ]
    return Sheet("Time and memory by rule", heads, rows, notes, frozenset({len(rows) - 1} if rows else ()))
