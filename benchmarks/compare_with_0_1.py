"""Compare the results of faceflip 0.1 with those of today's code, value by value; to be removed with version 0.2.

    python benchmarks/compare_with_0_1.py OLD/results NEW/results

Both runs have the same configuration. Renamed paths, columns and values are translated; all else must be equal:
weights of every checkpoint, histories, samples, attempts with perturbations, predictions, transfers, scans, tables.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

TABLES = {
    "classification_error": "classification_error",
    "table1": "flippability",
    "success": "success",
    "overview": "overview",
    "line_search": "line_search",
    "portability": "transferability",
    "correlation": "correlation",
    "table2": "checkpoint_overlap",
    "statistics": "statistics",
    "paper_comparison": "paper_comparison",
}
RENAMED = {"table2": {"epoch2": "early"}}
WORDS = {"quantity", "status"}
"""Columns of sentences, whose wording may change; `id` tells the rows."""

faults: list[str] = []


def fault(text: str) -> None:
    faults.append(text)
    print("DIFFERENT:", text)


def same(old: pd.DataFrame, new: pd.DataFrame, what: str, words: frozenset[str] = frozenset()) -> None:
    missing = [name for name in old if name not in new]
    if missing or len(old) != len(new):
        fault(f"{what}: {len(old)} and {len(new)} rows, columns missing: {missing}")
        return
    for name in old:
        a, b = old[name].to_numpy(), new[name].to_numpy()
        numeric = all(np.issubdtype(np.asarray(each).dtype, np.number) for each in (a, b))
        equal = np.array_equal(a, b, equal_nan=True) if numeric else list(map(str, a)) == list(map(str, b))
        if not equal and name not in words:
            rows = [k for k in range(len(a)) if str(a[k]) != str(b[k])]
            fault(
                f"{what}.{name}: {len(rows)} rows, such as {a[rows[0]]!r} and {b[rows[0]]!r}"
                if rows
                else f"{what}.{name}"
            )
    more = [name for name in new if name not in old]
    print(f"same: {what}, {len(old)} rows, {len(old.columns)} columns" + (f"; new: {', '.join(more)}" if more else ""))


def checkpoints(old: Path, new: Path) -> None:
    count = 0
    for path in sorted(old.glob("networks/**/*.pt")):
        place = path.relative_to(old / "networks")
        moved = Path("moon/all") / place.name if place.parts[0] == "moon" else place
        states = [torch.load(file, weights_only=True)["state"] for file in (path, new / "networks" / moved)]
        if list(states[0]) != list(states[1]) or any(not torch.equal(a, states[1][k]) for k, a in states[0].items()):
            fault(f"{place}: weights")
        history = path.parent / "history.csv"
        a, b = pd.read_csv(history), pd.read_csv((new / "networks" / moved).parent / "history.csv")
        if not a.equals(b[a.columns]):
            fault(f"{history}")
        count += 1
    print(f"same: weights of {count} checkpoints, and their histories")


def main(old: Path, new: Path) -> int:
    checkpoints(old, new)
    same(pd.read_csv(old / "dataset/sample.csv"), pd.read_csv(new / "samples/paper.csv"), "sample")
    same(pd.read_csv(old / "dataset/labels.csv"), pd.read_csv(new / "dataset/labels.csv"), "labels")
    for name in ("attempts", "predictions", "transfers", "scans"):
        a, b = (pd.read_parquet(folder / f"{name}.parquet") for folder in (old, new))
        keys = [key for key in ("network", "checkpoint", "attack", "attribute", "split", "target", "image") if key in a]
        a, b = (frame.sort_values(keys, kind="stable", ignore_index=True) for frame in (a, b))
        same(a, b, name)
    from faceflip.store import open_store

    for path in sorted(old.glob("attacks/*/*/*.h5")):
        with open_store(path) as a, open_store(new / "attacks/paper" / path.relative_to(old / "attacks")) as b:
            rows = np.flatnonzero(a.column("flipped") == 1)
            if any(not np.array_equal(a.perturbation(row), b.perturbation(row)) for row in rows):
                fault(f"{path.name}: perturbations")
        print(f"same: {len(rows)} perturbations of {path.relative_to(old)}")
    for name, today in TABLES.items():
        a, b = pd.read_csv(old / f"tables/{name}.csv"), pd.read_csv(new / f"tables/{today}.csv")
        if today == "line_search":  # its rows follow the run's networks now, and the alphabet before
            a, b = (frame.sort_values(["network", "attack"], kind="stable", ignore_index=True) for frame in (a, b))
        same(a.rename(columns=RENAMED.get(name, {})), b, f"table {today}", frozenset(WORDS))
    print(f"{len(faults)} differences")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
