"""Reading CelebA's annotations and partition, official text files or CSV files, and joining them by file name."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from faceflip.data.celeba import ATTRIBUTES, SPLITS
from faceflip.data.celeba.contents import WEB_PAGE, Place, is_web_page, read_needed
from faceflip.data.celeba.finding import Layout, find
from faceflip.data.celeba.splits import by_shares
from faceflip.errors import UserError
from faceflip.wording import quantity

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TEXT_LIMIT = 1 << 28
"""The most bytes of an annotation file; the official one has a tenth of that."""

SHOWN = 10
"""So many faults of a kind are reported in full."""

Row = tuple[int, list[str]]  # number of a line, from 1, and its cells


class Labels(NamedTuple):
    """Annotations of images, and `notes` on what is unusual about the files, and no fault.

    The `table` has one row an image in the order of the annotation file: `file_name`, `split` (one of `SPLITS`) and one
    int8 column an attribute in the order of `ATTRIBUTES`, -1 (absent) or +1 (present).
    """

    table: "pd.DataFrame"
    notes: tuple[str, ...] = ()


def read_labels(
    celeba: Layout | Path | str,
    *,
    taken: Callable[[str], bool] | None = None,
    split_shares: Sequence[float] | None = None,
    split_seed: int | None = None,
) -> Labels:
    """Read annotations and partition and join them by file name.

    Images that have a split and no annotation are left out, and so are those of whose names `taken` is false. With
    `split_shares`, of training, validation and test, the splits are made anew (`faceflip.data.celeba.splits` has the
    meaning of `split_seed`) and no partition is needed. Raises UserError where a file is missing or malformed, or
    images have no split.
    """
    import pandas as pd

    layout = celeba if isinstance(celeba, Layout) else find(celeba, images=False)
    layout.require(images=False, partition=split_shares is None)
    parts = {"annotations": (_read_annotations, layout.annotations), "partition": (_read_partition, layout.partition)}
    if split_shares is not None:
        parts["partition"] = (_read_identities, layout.identities)
    read, faults = {}, []
    for part, (read_part, place) in parts.items():
        try:
            read[part] = read_part(place)
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise UserError("\n".join(faults))
    names, values = read["annotations"]
    notes = []
    if taken:
        rows = [row for row, name in enumerate(names) if taken(name)]
        notes += [f"a subset: {len(rows):,} of {len(names):,} annotated images are there"] * (len(rows) < len(names))
        names, values = [names[row] for row in rows], values[rows]
    if split_shares is None:
        splits = read["partition"]
        _require_splits(layout, names, splits)
        notes += [] if taken else _without_labels(layout, names, splits)
    else:
        splits = by_shares(names, read["partition"], split_shares, split_seed)
        notes.append(_told_of_shares(layout, names, read["partition"], split_shares))
    table = pd.DataFrame(values, columns=list(ATTRIBUTES))
    table.insert(0, "file_name", names)
    table.insert(1, "split", [SPLITS[splits[name]] for name in names])
    notes += [f"there are no {split} images" for split in SPLITS if not (table["split"] == split).any()]
    return Labels(table, tuple(notes))


def _require_splits(layout: Layout, names: Sequence[str], splits: Mapping[str, int]) -> None:
    if homeless := [name for name in names if name not in splits]:
        raise UserError(
            f"{_absent(homeless, layout.annotations, layout.partition)}; every annotated image needs a split: mend "
            "the files, or set dataset.split_shares, such as [0.8, 0.1, 0.1], to make the splits anew"
        )


def _without_labels(layout: Layout, names: Sequence[str], splits: Mapping[str, int]) -> list[str]:
    known = set(names)
    unlabelled = [name for name in splits if name not in known]
    told = _absent(unlabelled, layout.partition, layout.annotations)
    return [f"{told}: a subset, taken without them"] if unlabelled else []


def _told_of_shares(layout: Layout, names: Sequence[str], persons: Mapping[str, str], shares: Sequence[float]) -> str:
    told = f"the splits were made anew, by the shares {', '.join(f'{share:g}' for share in shares)}"
    if layout.identities:
        told += f" and by the persons in {layout.name(layout.identities)}, of whom each is in one split"
    if unknown := sum(name not in persons for name in names):
        told += f"; nothing says who is on {unknown:,} images, so a person may be in several splits"
    return told


def count_labels(labels: "np.ndarray", split: "np.ndarray", attributes: Sequence[str] = ATTRIBUTES) -> "pd.DataFrame":
    """Count labelled images and positive labels per attribute and split: columns attribute, split, images, positives.

    `labels` (N, attributes) are -1, +1, or 0 where they are unknown; `split` (N,) counts in `SPLITS`.
    """
    import pandas as pd

    parts = {name: labels[split == number] for number, name in enumerate(SPLITS)}
    counts = [
        (attribute, name, (part[:, column] != 0).sum(), (part[:, column] > 0).sum())
        for column, attribute in enumerate(attributes)
        for name, part in parts.items()
    ]
    return pd.DataFrame(counts, columns=["attribute", "split", "images", "positives"])


def _read_annotations(place: Place) -> tuple[list[str], "np.ndarray"]:
    """Return file names, and labels (N, 40) int8 in {-1, +1} in the order of `ATTRIBUTES`."""
    import numpy as np

    is_csv, rows = _rows(place)
    number, header = next(rows)
    announced = None
    if is_csv:
        header, rows = _without_names(place, number, header, rows)
    elif len(header) == 1 and header[0].isascii() and header[0].isdigit():
        announced = int(header[0])
        number, header = next(rows, (number + 1, []))
    _require_attributes(place, number, header)
    names, cells = _table(place, rows, len(header), ("-1", "0", "1"))
    if announced not in (None, len(names)):
        raise UserError(f"{place}: line 1 announces {announced} images, but {len(names)} follow; is the file whole?")
    values = np.frombuffer(cells, "int8").reshape(-1, len(header))
    if (values == 0).any() and (values == -1).any():
        raise UserError(
            f"{place}: labels must be -1 and 1, or 0 and 1, but both -1 ({(values == -1).sum():,} times) and 0 "
            f"({(values == 0).sum():,} times) occur"
        )
    in_order = values[:, [header.index(name) for name in ATTRIBUTES]]
    return names, np.where(in_order == 1, 1, -1).astype("int8")


def _read_partition(place: Place) -> dict[str, int]:
    """Return the split of each file name, as index into `SPLITS`."""
    is_csv, rows = _rows(place)
    if is_csv:
        number, whole = next(rows)
        header, rows = _without_names(place, number, whole, rows)
        if header != ["partition"]:
            raise UserError(f"{place}, line {number}: expected image_id,partition, found {','.join(whole)[:60]!r}")
    names, cells = _table(place, rows, 1, ("0", "1", "2"))
    return dict(zip(names, cells, strict=True))


def _read_identities(place: Place | None) -> dict[str, str]:
    """Return the person's number of each file name; of none where there is no such file."""
    if place is None:
        return {}
    rows = list(_rows(place)[1])
    if bad := [number for number, cells in rows if len(cells) != 2]:
        raise UserError(
            f"{place}: {quantity(len(bad), 'bad row')}, such as line {bad[0]}; expected a file name and the "
            "number of a person"
        )
    return {name: person for _, (name, person) in rows}


def _without_names(
    place: Place, number: int, header: list[str], rows: Iterator[Row]
) -> tuple[list[str], Iterator[Row]]:
    """Return a CSV file's header behind the names' column, and its rows without the columns before that.

    There may be some: by default pandas writes its index, without a name.
    """
    column = header.index("image_id") if "image_id" in header else 0
    before = [cell for cell in header[:column] if cell not in ("", "index") and not cell.startswith("Unnamed: ")]
    if before or header[column] not in ("image_id", ""):
        found = (before or header)[0]
        raise UserError(f"{place}, line {number}: expected image_id or nothing in the first cell, found {found[:40]!r}")
    return header[column + 1 :], ((line, cells[column:] or [""]) for line, cells in rows)


def _require_attributes(place: Place, number: int, header: Sequence[str]) -> None:
    faults = {
        "missing": [name for name in ATTRIBUTES if name not in header],
        "unknown": sorted(set(header) - {*ATTRIBUTES, ""}),
        "more than once": sorted({name for name in header if name and header.count(name) > 1}),
        "without a name": [f"column {column}" for column, name in enumerate(header, 2) if not name],
    }
    if any(faults.values()):
        told = "; ".join(f"{fault}: {', '.join(names) or 'none'}" for fault, names in faults.items())
        if header and not header[-1]:
            told += ". The line ends in a comma: take it away, here and from all lines"
        raise UserError(f"{place}, line {number}: expected the names of the {len(ATTRIBUTES)} attributes; {told}")


def _rows(place: Place) -> tuple[bool, Iterator[Row]]:
    """Return whether a file is of CSV, by its name or the first line, and the lines that are not empty, as cells.

    They are cut at commas in a CSV file, else at white space.
    """
    data = read_needed(place, TEXT_LIMIT)
    if is_web_page(data):
        raise UserError(f"{place}: {WEB_PAGE}")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{place} is not a text file; expected CelebA's {place.name}") from None
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise UserError(f"{place} is empty; expected CelebA's {place.name}")
    is_csv = place.name.endswith(".csv") or "," in first

    def cells(number: int, line: str) -> list[str]:
        if not is_csv:
            return line.split()
        try:
            return [cell.strip() for cell in next(csv.reader([line]))]
        except csv.Error as error:
            raise UserError(f"{place}, line {number}: cannot be read as CSV ({error})") from None

    return is_csv, ((number, cells(number, line)) for number, line in enumerate(lines, 1) if line.strip())


def _table(place: Place, rows: Iterable[Row], columns: int, allowed: Sequence[str]) -> tuple[list[str], bytes]:
    """Return the first cells of rows, and all others as int8; reports all bad rows at once."""
    codes = {value: int(value) & 0xFF for value in allowed}
    names, cells, faults = [], bytearray(), []
    for number, (name, *values) in rows:
        if len(values) != columns:
            faults.append(f"line {number}: {len(values) + 1} values instead of {columns + 1}")
            continue
        try:
            cells += bytes([codes[value] for value in values])
            names.append(name)
        except KeyError as value:
            faults.append(f"line {number}: {value}")
    if len(set(names)) < len(names):
        faults += [f"{name} occurs more than once" for name, times in Counter(names).items() if times > 1]
    if faults:
        raise UserError(
            f"{place}: {len(faults):,} bad row{'s' * (len(faults) > 1)}; expected a file name and {columns} "
            f"value{'s' * (columns > 1)} out of {', '.join(allowed)}:"
            + "".join(f"\n  {fault}" for fault in faults[:SHOWN])
            + "\n  ..." * (len(faults) > SHOWN)
        )
    if not names:
        raise UserError(f"{place} names no images; expected CelebA's {place.name}")
    return names, bytes(cells)


def _absent(names: Sequence[str], here: Place, there: Place) -> str:
    what = f"{len(names):,} images of {here} are" if len(names) > 1 else f"one image of {here} is"
    return f"{what} not in {there}: {', '.join(names[:3])}{' ...' * (len(names) > 3)}"
