"""A table of several runs side by side: every number, row by row, with differences and what intervals there are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from faceflip.analysis.columns import COLUMNS, TableColumns
from faceflip.analysis.comparison.finished import FinishedRun
from faceflip.analysis.frames import read_csv
from faceflip.analysis.statistics.intervals import of_difference, of_mean
from faceflip.errors import UserError
from faceflip.workflow.products import EVERY_TABLE

NUMBER = "number"
"""The column that names a number's column in the table."""
ENDS = ("", "_low", "_high")
"""Endings of the columns of a number, and of the ends of its interval."""
OVER_RUNS = ["runs", "mean", "deviation", "mean_low", "mean_high"]
"""Columns that summarise a number over runs: how many have it, mean, standard deviation, ends of the 95 % interval."""

Frames = Mapping[str, pd.DataFrame]
"""Tables by the letters of runs; where their rows can be told apart their index are the keys."""


@dataclass(frozen=True)
class SideBySide:
    """A table of several runs.

    Attributes:
        name: Of the table, and its `title` on pages.
        keys: TableColumns that tell its rows apart.
        letters: Of the runs that have it, the first one's first.
        missing: Of those that do not.
        numbers: A row for each number: columns of `keys` (text), `NUMBER`; of each run its letter, ``A``, the number
            (NaN where it has none), and ``A_low`` and ``A_high`` (95 %); of each but the first of `letters`
            ``B_minus_A``, the difference, with ``B_minus_A_low`` and ``B_minus_A_high``, of independent runs; and of
            runs that differ by their seeds `OVER_RUNS`. In the order of the first run's table.
        words: A row for each text that is not the same in all: columns of `keys`, ``column``, and the letters.
        without_keys: Whether its keys are not known, so that nothing is compared.
    """

    name: str
    title: str
    keys: tuple[str, ...]
    letters: tuple[str, ...]
    missing: tuple[str, ...]
    numbers: pd.DataFrame
    words: pd.DataFrame
    without_keys: bool = False

    @property
    def differ(self) -> np.ndarray:
        """Which of the `numbers` are not the same in all runs that have them, bool."""
        values = self.numbers[list(self.letters)].to_numpy(float)
        return np.fmin.reduce(values, axis=1) != np.fmax.reduce(values, axis=1)

    def only_in(self, letter: str) -> int:
        """Return how many of the `numbers` one run alone has."""
        there = self.numbers[list(self.letters)].notna()
        return int((there[letter] & (there.sum(axis=1) == 1)).sum()) if letter in there else 0

    @property
    def in_all(self) -> int:
        """How many of the `numbers` all these runs have."""
        return int(self.numbers[list(self.letters)].notna().all(axis=1).sum())


def minus(letter: str, first: str) -> str:
    """Return the column of a difference to the first run: ``B_minus_A``."""
    return f"{letter}_minus_{first}"


def tables_of(runs: Sequence[FinishedRun]) -> list[str]:
    """Return the tables that some run has: those of the package in its order, then the user's own."""
    there = {name for run in runs for name in run.tables}
    return [*(name for name in EVERY_TABLE if name in there), *sorted(there - EVERY_TABLE.keys())]


def side_by_side(name: str, runs: Sequence[FinishedRun], over_runs: bool = False) -> SideBySide:
    """Put a table of several runs side by side, with what summarises numbers over runs if that is wanted.

    Raises:
        UserError: A file of it cannot be read as a table, or two of its rows have the same keys.
    """
    having = [run for run in runs if name in run.tables]
    frames = {run.letter: read_csv(run.tables[name]) for run in having}
    about = COLUMNS.get(name) or _supposed_columns(frames.values())
    keys = tuple(key for key in about.keys if any(key in frame for frame in frames.values()))
    frames = {letter: _with_keys(frame, keys) for letter, frame in frames.items()}
    unclear = [str(run.tables[name]) for run in having if not keys or not frames[run.letter].index.is_unique]
    if unclear and name in COLUMNS:
        same = f"several rows have the same {', '.join(about.keys)}"
        raise UserError(f"{', '.join(unclear)}: {same}; delete it and run again")
    if unclear:
        frames = dict.fromkeys(frames, pd.DataFrame())
    return SideBySide(
        name,
        EVERY_TABLE[name].heading if name in EVERY_TABLE else name,
        keys,
        tuple(frames),
        tuple(run.letter for run in runs if name not in run.tables),
        _numbers(frames, about, keys, over_runs),
        _words(frames, about, keys),
        bool(unclear),
    )


def _supposed_columns(frames: Iterable[pd.DataFrame]) -> TableColumns:
    """Return what is supposed of a table of the user's: columns of text tell its rows apart, all others are numbers."""
    texts = (name for frame in frames for name in frame if not pd.api.types.is_numeric_dtype(frame[name]))
    return TableColumns(tuple(dict.fromkeys(texts)))


def _with_keys(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return a table with its keys, as text, for an index; a key that it lacks is empty."""
    if not keys:
        return frame
    named = {key: frame[key].map(_as_text) if key in frame else "" for key in keys}
    index = pd.MultiIndex.from_frame(pd.DataFrame(named, index=frame.index, dtype="str"))
    return frame.drop(columns=list(keys), errors="ignore").set_axis(index)


def _as_text(value: object) -> str:
    """Return a key as text: 0.95 and 0, however the file writes them; what is missing is empty."""
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.12g}"
    return str(value)


def _numbers(frames: Frames, about: TableColumns, keys: Sequence[str], over_runs: bool) -> pd.DataFrame:
    ends = {number: both for number, *both in about.intervals}
    columns = dict.fromkeys(name for frame in frames.values() for name in frame)
    parts = []
    for name in (name for name in columns if name not in about.words and name not in about.ends):
        named = dict(zip(ENDS, (name, *ends.get(name, ())), strict=False))
        part = {
            letter + end: pd.to_numeric(frame[column], errors="coerce").astype(float)
            for letter, frame in frames.items()
            for end, column in named.items()
            if column in frame
        }
        parts.append(pd.DataFrame(part).assign(**{NUMBER: name}))
    numbers = _stacked(parts, frames, keys, [NUMBER, *(letter + end for letter in frames for end in ENDS)])
    numbers = numbers[numbers[list(frames)].notna().any(axis=1)].reset_index(drop=True)
    numbers = numbers.astype({letter + end: float for letter in frames for end in ENDS})
    first, *others = frames
    for letter in others:
        estimates = [[numbers[each + end].to_numpy() for end in ENDS] for each in (first, letter)]
        (a, *_), (b, *_) = estimates
        with np.errstate(invalid="ignore"):  # infinite ones
            found = (np.where(a == b, 0.0, b - a), *of_difference(*estimates))
        numbers = numbers.assign(**{minus(letter, first) + end: each for end, each in zip(ENDS, found, strict=True)})
    if over_runs:
        spread = [_over_runs(row) for row in numbers[list(frames)].to_numpy()]
        numbers = numbers.join(pd.DataFrame(spread, columns=OVER_RUNS, dtype=float))
    return numbers


def _stacked(
    parts: Sequence[pd.DataFrame], frames: Frames, keys: Sequence[str], columns: Sequence[str]
) -> pd.DataFrame:
    """Put parts, indexed by the keys, together row by row: those of the first table in its order, then others."""
    if not any(map(len, parts)):
        return pd.DataFrame(columns=[*keys, *columns])
    rows = pd.MultiIndex.from_tuples(
        list(dict.fromkeys(key for frame in frames.values() for key in frame.index)), names=keys
    )
    whole = pd.concat(parts)
    whole = whole.iloc[np.argsort(rows.get_indexer(whole.index), kind="stable")]
    return whole.rename_axis(keys).reset_index().reindex(columns=[*keys, *columns])


def _over_runs(values: np.ndarray) -> tuple[float, ...]:
    """Return what `OVER_RUNS` names of the numbers of runs, NaN where one has none."""
    values = values[~np.isnan(values)]
    if not np.isfinite(values).all():
        return (len(values), *[np.nan] * 4)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    return (len(values), float(values.mean()), deviation, *of_mean(values))


def _words(frames: Frames, about: TableColumns, keys: Sequence[str]) -> pd.DataFrame:
    """Return the texts that are not the same in all runs that have the row."""
    parts = []
    for name in about.words:
        texts = {letter: _texts(frame[name]) for letter, frame in frames.items() if name in frame}
        part = pd.DataFrame(texts)
        differs = [len({text for text in row if isinstance(text, str)}) > 1 for row in part.to_numpy()]
        parts.append(part[np.array(differs, bool)].assign(column=name))
    return _stacked(parts, frames, keys, ["column", *frames])


def _texts(column: pd.Series) -> pd.Series:
    """Return texts, empty ones where the file has an empty cell."""
    return column.astype(object).where(column.notna(), "")
