"""Labels that contradict each other, by rules: a table of the package, or a file of your own of the same form.

The form is CSV with the columns of `COLUMNS`. A rule holds on an image where all of ``present`` are annotated present,
at least ``at_least`` of ``some`` (1 where the cell is empty), and all of ``absent`` annotated absent. Several
attributes in a cell have semicolons between them; a name that has one itself is put into double quotes. A rule that is
``soft`` (yes; otherwise no or nothing) is arguable: it is counted, and puts nothing in doubt.

Rules are read while the Snakefile is parsed, so nothing here imports more than the standard library before that.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.data.label_doubt import BETWEEN, SOURCES
from faceflip.errors import UserError, did_you_mean
from faceflip.io.files import require_regular

if TYPE_CHECKING:
    import numpy as np

OF_PACKAGE = Path(__file__).with_name("contradictions.csv")
"""The rules about CelebA's attributes."""
COLUMNS = ("rule", "present", "some", "at_least", "absent", "soft")
SEPARATOR = ";"
"""Between attributes in a cell."""
WORDS = {"yes": True, "no": False, "": False}
"""What ``soft`` may be, in any case of letters."""
NAME_LIMIT = 100
"""The most characters of a rule's name."""


@dataclass(frozen=True)
class Contradiction:
    """A rule: labels contradict each other where all that it says holds. Unknown labels never count.

    Attributes:
        name: What it is called in tables and as a reason for doubt.
        present: All of these are annotated present.
        some: At least `at_least` of these are annotated present.
        at_least: 0 where `some` is empty.
        absent: All of these are annotated absent.
        soft: Whether it is arguable, so that it puts nothing in doubt by itself.
    """

    name: str
    present: tuple[str, ...]
    some: tuple[str, ...]
    at_least: int
    absent: tuple[str, ...]
    soft: bool

    @property
    def attributes(self) -> tuple[str, ...]:
        """All that it speaks of."""
        return (*self.present, *self.some, *self.absent)

    def holds(self, labels: "np.ndarray", attributes: Sequence[str]) -> "np.ndarray":
        """Return on which images labels contradict each other, (N,) bool.

        Args:
            labels: (N, A): -1 absent, +1 present, 0 unknown.
            attributes: Names of their columns; the rule's own are among them.
        """
        present, some, absent = (labels[:, self._columns(attributes, names)] for names in self._parts)
        enough = (some > 0).sum(axis=1) >= self.at_least
        return (present > 0).all(axis=1) & enough & (absent < 0).all(axis=1)

    def doubts(self, labels: "np.ndarray", attributes: Sequence[str]) -> "np.ndarray":
        """Return which labels take part in a contradiction, (N, A) bool: which of them is wrong nobody can tell.

        These are those of `present` and `absent`, and those of `some` that are annotated present. The arguments are
        those of `holds`.
        """
        import numpy as np

        part = np.zeros(labels.shape, bool)
        for names, label in zip(self._parts, (1, 1, -1), strict=True):
            columns = self._columns(attributes, names)
            part[:, columns] = labels[:, columns] == label
        return part & self.holds(labels, attributes)[:, None]

    @property
    def _parts(self) -> tuple[tuple[str, ...], ...]:
        return self.present, self.some, self.absent

    @staticmethod
    def _columns(attributes: Sequence[str], names: Sequence[str]) -> list[int]:
        places = {name: column for column, name in enumerate(attributes)}
        return [places[name] for name in names]


def read_contradictions(path: Path | str | None, attributes: Sequence[str]) -> tuple[Contradiction, ...]:
    """Return the rules of a file; without one those of the package that are about attributes of a dataset.

    Of the package's rules those go that speak of attributes that the dataset lacks; one of whose `some` a few are
    lacking keeps the others, if these are enough to contradict each other. So there may be none.

    Raises:
        UserError: A file of your own cannot be read, has other columns or no rules, or rules speak of what is no
            attribute of the dataset or can never hold. All faults are reported.
    """
    own = path is not None
    place = path if own else OF_PACKAGE
    rules, faults = _parsed(place, attributes if own else None)
    if faults:
        raise UserError("\n".join(f"{place}{fault}" for fault in faults))
    return rules if own else tuple(_kept(rules, {*attributes}))


def _kept(rules: Sequence[Contradiction], attributes: set[str]) -> list[Contradiction]:
    """Return the rules about these attributes, without others of which only some are needed."""
    cut = [replace(rule, some=tuple(name for name in rule.some if name in attributes)) for rule in rules]
    return [rule for rule in cut if attributes.issuperset(rule.attributes) and len(rule.some) >= rule.at_least]


def _parsed(path: Path | str, attributes: Sequence[str] | None) -> tuple[tuple[Contradiction, ...], list[str]]:
    """Return the rules of a file and what is wrong with it, in words that follow its name; names are not compared with
    `attributes` where these are None.
    """
    try:
        require_regular(path)
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file, strict=True)]
    except FileNotFoundError:
        return (), [f": no such file; paths are seen from {Path.cwd()}"]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return (), [f": cannot be read as a table ({error}); expected a CSV file with the columns {','.join(COLUMNS)}"]
    header = rows[0] if rows else []
    if faults := _faults_of_header(header):
        return (), faults
    told = [(number, row) for number, row in enumerate(rows) if number and any(row)]
    rules, faults = [], [] if told else [" has no rules; expected a row for each"]
    for number, row in told:
        where = f", row {number} below the header"
        if len(row) != len(header):
            faults.append(f"{where}: {len(row)} cells instead of {len(header)}")
            continue
        rule, wrong = _rule(dict(zip(header, row, strict=True)))
        if attributes is not None:
            wrong += [
                f"{name!r} is no attribute of the dataset{did_you_mean(name, attributes)}"
                for name in dict.fromkeys(rule.attributes)
                if name not in attributes
            ]
        faults += [f"{where}: {each}" for each in wrong]
        rules.append(rule)
    twice = [name for name, times in Counter(rule.name for rule in rules).items() if times > 1 and name]
    faults += [f" has several rules {name!r}; give each a name of its own" for name in twice]
    return tuple(rules), faults


def _faults_of_header(header: Sequence[str]) -> list[str]:
    known = [f" has no column {name!r}; expected {','.join(COLUMNS)}" for name in COLUMNS if name not in header]
    known += [f" has {n} columns {name!r}" for name, n in Counter(header).items() if n > 1 and name in COLUMNS]
    near = {name: did_you_mean(name, COLUMNS, "; expected ") for name in header if name not in COLUMNS}
    return known + [f" has a column {name[:60]!r}{hint}" for name, hint in near.items()]


def _rule(cells: dict[str, str]) -> tuple[Contradiction, list[str]]:
    """Return the rule of a row and what is wrong with it, but for names that are no attributes."""
    name, soft, faults = cells["rule"], WORDS.get(cells["soft"].lower()), []
    if not name.isprintable() or not 0 < len(name) <= NAME_LIMIT or BETWEEN.strip() in name or name in SOURCES:
        faults.append(
            f"rule is {name[:60]!r}; expected its name, printable text of at most {NAME_LIMIT} characters without "
            f"{BETWEEN.strip()} that is none of {', '.join(SOURCES)}"
        )
    parts = {}
    for part in ("present", "some", "absent"):
        try:
            row = next(csv.reader([cells[part]], delimiter=SEPARATOR, skipinitialspace=True, strict=True), [])
        except csv.Error as error:
            row = []
            faults.append(
                f"{part} is {cells[part][:60]!r} ({error}); expected attributes with {SEPARATOR} between them, a name "
                "that has one itself in double quotes"
            )
        parts[part] = tuple(stripped for each in row if (stripped := each.strip()))
    some = parts["some"]
    least = cells["at_least"] or str(min(1, len(some)))
    at_least = int(least) if re.fullmatch("[0-9]{1,4}", least) else -1
    rule = Contradiction(name, parts["present"], some, at_least, parts["absent"], bool(soft))
    if soft is None:
        faults.append(f"soft is {cells['soft'][:60]!r}; expected yes or no")
    if not min(1, len(some)) <= at_least <= len(some):
        expected = f"a whole number from 1 to {len(some)}, as in some" if some else "nothing, as some is empty"
        faults.append(f"at_least is {least[:60]!r}; expected {expected}")
    elif len(rule.present) + at_least + len(rule.absent) < 2:
        faults.append("it needs one label or none, and a contradiction takes two or more")
    if twice := [each for each, times in Counter(rule.attributes).items() if times > 1]:
        faults.append(f"{', '.join(map(repr, twice))} stands there more than once; leave it in one place")
    return rule, faults
