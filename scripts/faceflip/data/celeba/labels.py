"""Reading CelebA's annotations and partition, official text files or CSV files, and joining them by file name."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from faceflip.data.celeba import ATTRIBUTES, SPLITS
from faceflip.data.celeba.contents import WEB_PAGE, Place, is_web_page, read_needed
from faceflip.data.celeba.finding import Layout, find
from faceflip.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TEXT_LIMIT = 1 << 28
"""The most bytes of an annotation file; the official one has a tenth of that."""

SHOWN = 10
"""So many faults of a kind are told in full."""

Row = tuple[int, list[str]]  # number of a line, from 1, and its cells


class Labels(NamedTuple):
    """Annotations of images, and `notes` on what is unusual about the files, and no fault.

    The `table` has one row an image in the order of the annotation file: `file_name`, `split` (one of `SPLITS`) and one
    int8 column an attribute in the order of `ATTRIBUTES`, -1 (absent) or +1 (present).
    """

    table: "pd.DataFrame"
    notes: tuple[str, ...] = ()


def read_labels(celeba: Layout | Path | str) -> Labels:
    """Read annotations and partition and join them by file name.

    Images that have a split and no annotation are left out: to make a subset, it is enough to cut the annotation file.
    Raises UserError where a file is missing or malformed, or images have no split.
    """
    import pandas as pd

    layout = celeba if isinstance(celeba, Layout) else find(celeba, images=False)
    layout.require(images=False)
    parts, faults = [], []
    for read_part, place in ((_read_annotations, layout.annotations), (_read_partition, layout.partition)):
        try:
            parts.append(read_part(place))
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise UserError("\n".join(faults))
    (names, values), splits = parts

    homeless = [name for name in names if name not in splits]
    if homeless:
        told = _absent(homeless, layout.annotations, layout.partition)
        raise UserError(f"{told}; every annotated image needs a split")
    table = pd.DataFrame(values, columns=list(ATTRIBUTES))
    table.insert(0, "file_name", names)
    table.insert(1, "split", [SPLITS[splits[name]] for name in names])
    notes, known = [], set(names)
    unlabelled = [name for name in splits if name not in known]
    if unlabelled:
        notes.append(f"{_absent(unlabelled, layout.partition, layout.annotations)}: a subset, taken without them")
    notes += [f"there are no {split} images" for split in SPLITS if not (table["split"] == split).any()]
    return Labels(table, tuple(notes))


def count_labels(labels: "np.ndarray", split: "np.ndarray") -> "pd.DataFrame":
    """Count images and positive labels per attribute and split: columns attribute, split, images, positives.

    `labels` (N, 40) are -1 or +1, in the order of `ATTRIBUTES`; `split` (N,) counts in `SPLITS`.
    """
    import pandas as pd

    parts = {name: labels[split == number] > 0 for number, name in enumerate(SPLITS)}
    counts = [
        (attribute, name, len(part), part[:, column].sum())
        for column, attribute in enumerate(ATTRIBUTES)
        for name, part in parts.items()
    ]
    return pd.DataFrame(counts, columns=["attribute", "split", "images", "positives"])


def _read_annotations(place: Place) -> tuple[list[str], "np.ndarray"]:
    """Return file names, and labels (N, 40) int8 in {-1, +1} in the order of `ATTRIBUTES`."""
    import numpy as np

    rows = _rows(place)
    number, header = next(rows)
    announced = None
    if _is_csv(place):
        header = _without_name_cell(place, header)
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
    rows = _rows(place)
    if _is_csv(place):
        number, header = next(rows)
        if _without_name_cell(place, header) != ["partition"]:
            raise UserError(f"{place}, line {number}: expected image_id,partition, found {','.join(header)[:60]!r}")
    names, cells = _table(place, rows, 1, ("0", "1", "2"))
    return dict(zip(names, cells, strict=True))


def _is_csv(place: Place) -> bool:
    return place.name.endswith(".csv")


def _without_name_cell(place: Place, header: list[str]) -> list[str]:
    if header[:1] not in (["image_id"], [""]):
        raise UserError(f"{place}, line 1: expected image_id or nothing in the first cell, found {header[0][:40]!r}")
    return header[1:]


def _require_attributes(place: Place, number: int, header: Sequence[str]) -> None:
    faults = {
        "missing": [name for name in ATTRIBUTES if name not in header],
        "unknown": sorted(set(header) - set(ATTRIBUTES)),
        "more than once": sorted({name for name in header if header.count(name) > 1}),
    }
    if any(faults.values()):
        told = "; ".join(f"{fault}: {', '.join(names) or 'none'}" for fault, names in faults.items())
        raise UserError(f"{place}, line {number}: expected the names of the {len(ATTRIBUTES)} attributes; {told}")


def _rows(place: Place) -> Iterator[Row]:
    """Yield the lines that are not empty, cut into cells: at commas in a CSV file, else at white space."""
    data = read_needed(place, TEXT_LIMIT)
    if is_web_page(data):
        raise UserError(f"{place}: {WEB_PAGE}")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{place} is not a text file; expected CelebA's {place.name}") from None
    if not any(line.strip() for line in lines):
        raise UserError(f"{place} is empty; expected CelebA's {place.name}")
    split = (lambda line: [cell.strip() for cell in next(csv.reader([line]))]) if _is_csv(place) else str.split
    return ((number, split(line)) for number, line in enumerate(lines, 1) if line.strip())


def _table(place: Place, rows: Iterable[Row], columns: int, allowed: Sequence[str]) -> tuple[list[str], bytes]:
    """Return the first cells of rows, and all others as int8, telling all bad rows at once."""
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
