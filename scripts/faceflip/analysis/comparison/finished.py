"""Finished runs, as they are found in folders: all that is wrong with them is reported at once."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pandas as pd

from faceflip.analysis.frames import read_parquet
from faceflip.analysis.run import RunDescription
from faceflip.errors import UserError
from faceflip.io.files import is_folder, read_json
from faceflip.io.inventory import SNAKEMAKE
from faceflip.io.paths import ATTEMPTS, INDEX, MANIFEST, PREDICTIONS, RESULTS, RUN, TABLE
from faceflip.store.reader import open_store
from faceflip.workflow.migration import are_of_0_1

NEEDED = (RUN, MANIFEST, ATTEMPTS, PREDICTIONS, INDEX)
"""Files that every finished run has; the last one is made last."""
EXPERIMENT = ["sample", "network", "checkpoint", "attack"]
"""Columns that name the attempts of one attack on one network."""
PAIR = [*EXPERIMENT, "attribute", "image"]
"""Columns that tell an attempt from all others."""
FIRST_SHARDS = "attacks/*/*/*/*/000.h5"
MOST = len(ascii_uppercase)
"""So many runs have a letter."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run.

    Attributes:
        letter: What it is called beside others, ``A`` the first.
        folder: As it was given, for people; `results` is the one that holds its results.
        description: What was run.
        manifest: What the dataset says of itself.
    """

    letter: str
    folder: Path
    results: Path
    description: RunDescription
    manifest: dict[str, Any]

    def place(self, file: str) -> Path:
        """Return where a file of `faceflip.io.paths` is, whatever the folder of the results is called now."""
        return _place(self.results, file)

    @cached_property
    def tables(self) -> dict[str, Path]:
        """The files of its tables by their names."""
        pattern = self.place(TABLE.of(table="*", format="csv"))
        return {path.stem: path for path in sorted(pattern.parent.glob(pattern.name))}

    @cached_property
    def attempts(self) -> pd.DataFrame:
        """All attempts: columns of `PAIR`, correct, flipped, pass, epsilon, l2; a row each.

        Raises:
            UserError: As `read_parquet`.
        """
        columns = [*PAIR, "correct", "flipped", "pass", "epsilon", "l2"]
        return read_parquet(self.place(ATTEMPTS), columns).astype(dict.fromkeys(PAIR[:-1], "str"))

    @cached_property
    def options_of_attacks(self) -> dict[str, dict[str, Any]]:
        """The options of each attack, as its stores have them; an attack without a store that can be read has none."""
        options: dict[str, dict[str, Any]] = {}
        for path in sorted(self.results.glob(FIRST_SHARDS)):
            try:
                with open_store(path) as store:
                    options.setdefault(store.header.attack, dict(store.header.parameters))
            except UserError:  # `faceflip check` tells of it; what was found in it stands in the attempts
                continue
        return options


def read_runs(folders: Sequence[Path]) -> list[FinishedRun]:
    """Return the runs in folders of results, or in those that hold `results`; the first one is ``A``.

    Raises:
        UserError: There are fewer than two or more than `MOST`, one comes twice, or some are no finished runs of this
            version; all faults are named.
    """
    if not 2 <= len(folders) <= MOST:
        raise UserError(f"{len(folders)} folders of results: give those of two finished runs or more, up to {MOST}")
    faults, runs = list(_twice(folders)), []
    for letter, folder in zip(ascii_uppercase, folders, strict=False):
        try:
            runs.append(_read(letter, folder))
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise UserError("\n".join(dict.fromkeys(faults)))
    return runs


def _twice(folders: Sequence[Path]) -> Iterator[str]:
    """Yield what to say of each folder that is one before it."""
    seen: dict[str, Path] = {}
    for folder in folders:
        real = os.path.realpath(_results(folder))
        if real in seen:
            yield f"{folder}: the same run as {seen[real]}; name each once"
        seen.setdefault(real, folder)


def _results(folder: Path) -> Path:
    """Return the folder of the results: the one in a folder, or the folder itself."""
    inside = folder / RESULTS
    return inside if is_folder(inside) and not (folder / _place(Path(), RUN)).exists() else folder


def _place(results: Path, file: str) -> Path:
    return results / Path(file).relative_to(RESULTS)


def _read(letter: str, folder: Path) -> FinishedRun:
    results = _results(folder)
    if not is_folder(folder):
        raise UserError(f"{folder}: no such folder; expected that of a finished run")
    if are_of_0_1(results):
        raise UserError(
            f"{folder}: results of faceflip 0.1, whose files are others now; run it again with this version"
        )
    missing = [file for file in NEEDED if not _place(results, file).is_file()]
    if RUN in missing:
        raise UserError(f"{folder}: no results of a run (no {RUN}); expected its folder, or the folder results in it")
    if not _has_tables(results):
        missing.append(TABLE.of(table="*", format="csv"))
    if missing:
        remedy = f"finish it by the command that began it, such as {SNAKEMAKE}"
        raise UserError(f"{folder}: an unfinished run, without {', '.join(missing)}; {remedy}")
    try:
        description = RunDescription.from_json(_place(results, RUN))
        manifest = read_json(_place(results, MANIFEST))
        manifest["fingerprint"], manifest["pixel_sha256"]
    except UserError as error:
        old = f"or these are results of another version of faceflip: run it again with this one ({SNAKEMAKE})"
        raise UserError(f"{error}, {old}") from error
    except (KeyError, TypeError):
        raise UserError(f"{_place(results, MANIFEST)}: no description of a dataset; delete it and run again") from None
    return FinishedRun(letter, folder, results, description, manifest)


def _has_tables(results: Path) -> bool:
    pattern = _place(results, TABLE.of(table="*", format="csv"))
    return any(pattern.parent.glob(pattern.name))
