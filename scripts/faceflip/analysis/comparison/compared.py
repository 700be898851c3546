"""All that a comparison of runs finds, gathered once, for whoever prints, writes or draws it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from faceflip.analysis.comparison.beside import SideBySide, side_by_side, tables_of
from faceflip.analysis.comparison.finished import FinishedRun, read_runs
from faceflip.analysis.comparison.pairs import paired_tests
from faceflip.analysis.comparison.what_differs import Caution, Difference, cautions, differences, only_seeds
from faceflip.wording import first_of

MOST_NAMED = 6
"""So many runs are named in one line."""


@dataclass(frozen=True)
class Comparison:
    """Finished runs beside each other.

    Attributes:
        runs: The first one is what all others are compared with.
        differences: Settings that are not the same in all.
        cautions: Why numbers are not of the same; none where they are.
        tests: Attempts and answers, as of `paired_tests`.
        tables: Every table that some run has.
    """

    runs: Sequence[FinishedRun]
    differences: Sequence[Difference]
    cautions: Sequence[Caution]
    tests: pd.DataFrame
    tables: Sequence[SideBySide]

    @property
    def letters(self) -> list[str]:
        """What the runs are called."""
        return [run.letter for run in self.runs]

    @property
    def first(self) -> FinishedRun:
        """What all others are compared with."""
        return self.runs[0]

    @cached_property
    def over_seeds(self) -> bool:
        """Whether the runs differ by nothing but seeds, so that numbers are summarised over them."""
        return only_seeds(self.differences)

    @property
    def drawn(self) -> list[str]:
        """Letters of the runs whose faces are drawn."""
        return [run.letter for run in self.runs if run.description.synthetic]

    @property
    def line(self) -> str:
        """One sentence on what is compared, and before it one on drawn faces where there are some."""
        named = [f"{run.letter} ({run.folder})" for run in self.runs]
        line = f"Runs {first_of(named, MOST_NAMED)} beside each other; differences are to {self.first.letter}."
        if not self.drawn:
            return line
        which = "" if len(self.drawn) == len(self.runs) else f" in {', '.join(self.drawn)}"
        return f"Synthetic faces{which}, drawn by this project: their numbers say nothing about CelebA. {line}"


def compare_runs(folders: Sequence[Path]) -> Comparison:
    """Compare the finished runs in folders with the first of them.

    Raises:
        UserError: As `read_runs`, or a file of a run cannot be read.
    """
    runs = read_runs(folders)
    found = differences(runs)
    tables = [side_by_side(name, runs, only_seeds(found)) for name in tables_of(runs)]
    return Comparison(runs, found, cautions(runs), paired_tests(runs), tables)
