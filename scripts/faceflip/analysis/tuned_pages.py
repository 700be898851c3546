"""How tables on fine-tuning are laid out: their rows, cells and notes."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from faceflip.analysis.pages import MISSING, Cell, Column, marked, number, percent
from faceflip.analysis.run import RunDescription
from faceflip.analysis.tunings import BEFORE, CONTROL, TunedGroup, control_of, tuned_groups
from faceflip.wording import first_of

SIGNIFICANT, MOST_NAMED = 0.05, 20
"""Below this p there is a mark, and so many groups without a control are named."""
HEADS = [Column("source", align="l"), Column("diet", align="l")]
"""The columns of `rows_of`."""


@dataclass(frozen=True)
class Form:
    """How numbers of a kind are written.

    Attributes:
        text: Of a number; `signed` of a difference.
    """

    text: Callable[[float], str]
    signed: Callable[[float], str]


def _size(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:,.0f}" if abs(value) >= 1_000 else number(value)


def _signed(value: float) -> str:
    return f"{value:+.3g}" if abs(value) < 1_000 else ("+" if value > 0 else "-") + _size(abs(value))


def _points(digits: int) -> Callable[[float], str]:
    # Adding 0 makes one of minus zero.
    return lambda share: f"{round(100 * share, digits) + 0.0:+.{digits}f}"


SHARE = Form(percent, _points(1))
FINE = Form(lambda value: percent(value, 2), _points(2))
SIZE = Form(_size, _signed)
PASS = Form(lambda value: number(value, 4), lambda value: f"{value:+.2g}")


def value_cell(row: dict, form: Form, name: str = "value") -> Cell:
    """Return the number of a row, with its interval where the row has one; an empty row has none."""
    value = row.get(name, math.nan)
    return MISSING if math.isnan(value) else _with_interval(form.text, value, row, "low", "high")


def difference_cell(row: dict, form: Form) -> Cell:
    """Return the difference to the control, with interval and marks, where a row has one."""
    difference = row.get("against_control", math.nan)
    if math.isnan(difference):
        return MISSING
    marks = (("*", "p_images"), ("†", "p_seeds"))
    found = "".join(mark for mark, name in marks if row.get(name, math.nan) < SIGNIFICANT)
    # A table without intervals lacks the columns of them all but these.
    ends = ("control_low", "control_high") if "low" in row else ("", "")
    return marked(_with_interval(form.signed, difference, row, *ends), found)


def _with_interval(text: Callable[[float], str], value: float, row: dict, low: str, high: str) -> Cell:
    ends = row.get(low, math.nan), row.get(high, math.nan)
    return text(value) if any(map(math.isnan, ends)) else (text(value), f"[{text(ends[0])}, {text(ends[1])}]")


def groups_in(frame: pd.DataFrame, run: RunDescription) -> list[TunedGroup]:
    """Return the groups that a table (columns source, checkpoint, network) has rows of, in order."""
    there = set(frame[["source", "checkpoint", "network"]].itertuples(index=False, name=None))
    return [each for each in tuned_groups(run) if (each.source, each.checkpoint, each.name) in there]


def rows_of(
    groups: Sequence[TunedGroup], cells: Callable[[TunedGroup], Iterable[Cell]]
) -> tuple[list[list[Cell]], frozenset[int]]:
    """Return a row a group, of its source, its diet and some cells, and where rules go: between sources."""
    families = [(group.source, group.checkpoint) for group in groups]
    rows = [[group.source_title, group.label, *cells(group)] for group in groups]
    return rows, frozenset(place for place in range(1, len(rows)) if families[place] != families[place - 1])


def notes_on_tests(groups: Sequence[TunedGroup], run: RunDescription) -> list[str]:
    """Return what is to be said of differences, tests and seeds below a table."""
    from scipy import stats

    unpaired = [
        group.label
        for group in groups
        if group.diet not in (BEFORE, CONTROL) and not any(control_of(each.tuning, run) for each in group.networks)
    ]
    notes = [
        f"Differences are to `{CONTROL}` of the same source and seed. * p < {SIGNIFICANT:g} by McNemar's test over "
        f"images, all trials of an image together; † p < {SIGNIFICANT:g} by the paired t-test over seeds. Neither "
        "takes into account how many differences there are."
    ]
    if unpaired:
        without = first_of(list(dict.fromkeys(unpaired)), MOST_NAMED)
        notes.append(f"No difference without a control of the same source, seed and number of epochs: {without}.")
    seeds = sorted({len(group.networks) for group in groups if group.diet != BEFORE})
    if seeds[-1:] == [1]:
        notes.append("One run each: there is no interval over seeds, and what another seed would give is unknown.")
    elif seeds:
        few = next(each for each in seeds if each > 1)
        reach = stats.t.ppf(0.975, few - 1) / math.sqrt(few)
        many = " to ".join(dict.fromkeys([str(seeds[0]), str(seeds[-1])]))
        notes.append(
            f"Means over {many} seeds, with Student's 95 % intervals over them: of {few} they reach {reach:.1f} "
            "standard deviations to each side, even beyond what is possible. What has no mark may differ all the same."
        )
    if run.synthetic:
        notes.append(
            "The faces are drawn and vary in few ways: the numbers show how the method works and is read, not which "
            "diet helps on photographs."
        )
    return notes
