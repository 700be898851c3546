"""What CelebA is: its attributes and splits, and readers of its annotation files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

ATTRIBUTES = (
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)
"""The 40 attributes in the official (alphabetical) order."""

SPLITS = ("train", "validation", "test")
"""The splits in the order of the partition file's numbers 0, 1, 2."""

WIDTH, HEIGHT = 178, 218
"""Size in pixels of the aligned and cropped images."""

IMAGES = "img_align_celeba"
ANNOTATIONS = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
PROVENANCE = "synthetic.json"
"""Lies in a folder whose faces were drawn, and says how."""


def read_labels(folder: Path) -> "pd.DataFrame":
    """Read annotations and partition of a CelebA folder and join them by file name.

    Args:
        folder: Holds the two text files in their official form.

    Returns:
        One row per image in the order of the annotation file: `file_name`, `split` (one of `SPLITS`) and one int8
        column an attribute, -1 (absent) or +1 (present).

    Raises:
        UserError: A file is missing or not in the official form, or the two name different images.
    """
    labels, partition = _read_annotations(folder / ANNOTATIONS), _read_partition(folder / PARTITION)
    only_labels = labels.index.difference(partition.index)
    only_partition = partition.index.difference(labels.index)
    faults = [
        f"{len(names)} images are in {here} but not in {there}, such as {', '.join(names[:3])}"
        for names, here, there in ((only_labels, ANNOTATIONS, PARTITION), (only_partition, PARTITION, ANNOTATIONS))
        if len(names)
    ]
    if faults:
        raise UserError(f"{folder}: the two files must name the same images:\n  " + "\n  ".join(faults))
    labels.insert(0, "split", partition.loc[labels.index])
    return labels.rename_axis("file_name").reset_index()


def _read_annotations(path: Path) -> "pd.DataFrame":
    lines = _lines(path)
    if not lines[0].strip().isdigit():
        raise UserError(f"{path}, line 1: expected the number of images, found {lines[0][:40]!r}")
    names = lines[1].split() if len(lines) > 1 else []
    missing, unknown = [name for name in ATTRIBUTES if name not in names], set(names) - set(ATTRIBUTES)
    if missing or unknown or len(names) != len(ATTRIBUTES):
        raise UserError(
            f"{path}, line 2: expected the names of the {len(ATTRIBUTES)} attributes; "
            f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(sorted(unknown)) or 'none'}"
        )
    table = _table(path, lines[2:], first_line=3, columns=("file_name", *names), values=("-1", "1"))
    if len(table) != int(lines[0]):
        raise UserError(f"{path}: line 1 announces {int(lines[0])} images, but {len(table)} follow; is the file whole?")
    return table.astype("int8")[list(ATTRIBUTES)]


def _read_partition(path: Path) -> "pd.Series":
    table = _table(path, _lines(path), first_line=1, columns=("file_name", "split"), values=("0", "1", "2"))
    return table["split"].map({str(number): split for number, split in enumerate(SPLITS)})


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist; expected CelebA's {ANNOTATIONS} and {PARTITION} in that folder"
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file; expected CelebA's {path.name}") from None
    if not lines:
        raise UserError(f"{path} is empty; expected CelebA's {path.name}")
    return lines


def _table(
    path: Path, lines: list[str], first_line: int, columns: Sequence[str], values: Sequence[str]
) -> "pd.DataFrame":
    """Split lines at white space into a table of strings indexed by the first column, telling all bad rows at once."""
    import pandas as pd

    allowed, faults, rows = set(values), [], []
    for number, line in enumerate(lines, start=first_line):
        row = line.split()
        if len(row) != len(columns):
            faults.append(f"line {number}: {len(row)} values instead of {len(columns)}")
        elif not allowed.issuperset(row[1:]):
            faults.append(f"line {number}: {next(value for value in row[1:] if value not in allowed)!r}")
        else:
            rows.append(row)
    table = pd.DataFrame(rows, columns=list(columns)).set_index("file_name")
    faults += [f"{name} occurs more than once" for name in table.index[table.index.duplicated()].unique()]
    if faults:
        shown = "\n  ".join(faults[:10])
        raise UserError(
            f"{path}: {len(faults)} bad rows; expected a file name and {len(columns) - 1} values out of "
            f"{', '.join(values)}:\n  {shown}" + ("\n  ..." if len(faults) > 10 else "")
        )
    return table
