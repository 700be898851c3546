"""Labels of your own: a table with one row an image and one column an attribute, beside a folder or archive of images.

Its header is read while the Snakefile is parsed, so nothing here imports more than the standard library before that.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, compress, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceflip.data.celeba import SPLITS
from faceflip.data.celeba.contents import Place, UnreadableError, open_zip, reader
from faceflip.data.celeba.decoding import size_of
from faceflip.data.celeba.splits import by_shares
from faceflip.errors import UserError, did_you_mean
from faceflip.io.files import sha256
from faceflip.io.paths import folder_of
from faceflip.wording import first_of, quantity

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

FILE, SPLIT, GROUPS = "file", "split", ("identity", "group")
"""Columns that are no attributes, in any case of letters; without a column of files the first one has them."""
SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
PARQUET = ".parquet"
WORDS = {"1": 1, "true": 1, "yes": 1, "-1": -1, "0": -1, "false": -1, "no": -1, "": 0}
"""What a label may be, in any case of letters; 1.0 is 1. Empty means unknown."""
SPLIT_WORDS = {
    **{name: name for name in SPLITS},
    **{str(number): name for number, name in enumerate(SPLITS)},
    **{"training": "train", "val": "validation", "valid": "validation", "dev": "validation", "testing": "test"},
}
"""What a split may be called, in any case of letters."""
RESERVED = ("all", "file_name", "mean", "mean_all")
"""What the member of a joint network is called, a column, and rows of tables that are over several attributes."""
MOST_ATTRIBUTES = 1000
NAME_BYTES = 200
"""The most bytes of an attribute's name."""
FILE_LIMIT = 1 << 26
"""The most bytes that an image file may have."""
SHOWN = 10
"""So many faults of a kind are reported in full."""


@dataclass(frozen=True)
class Columns:
    """The roles of a table's columns, by the names in its header; `attributes` in their order there."""

    file: str
    split: str | None
    group: str | None
    attributes: tuple[str, ...]


def read_columns(table: str, chosen: Sequence[str] | None = None) -> Columns:
    """Return the roles of a table's columns by its header; only `chosen` columns are attributes, where these are given.

    Raises UserError, naming every fault, where the file cannot be read, or columns cannot be what they have to be.
    """
    header = _header(Path(table))
    found: dict[str, list[str]] = {}
    for name in header:
        if (role := name.lower()) in (FILE, SPLIT, *GROUPS):
            found.setdefault(GROUPS[0] if role in GROUPS else role, []).append(name)
    roles = {role: same[0] for role, same in found.items()}
    named = [name for name in header if not _is_index(name)]
    first = next((name for name in named if name not in roles.values()), "")
    file = roles.get(FILE, first)
    others = [name for name in named if name not in (file, *roles.values())]
    faults = [
        f"has columns {', '.join(map(repr, same))} for one thing; leave one of them"
        for same in found.values()
        if len(set(same)) > 1
    ]
    if chosen is not None:
        faults += [f"has no column {name!r}{did_you_mean(name, others)}" for name in chosen if name not in others]
        faults += [f"is to have {name!r} {n} times in dataset.columns" for name, n in Counter(chosen).items() if n > 1]
        others = list(chosen)
    for name, times in Counter(header).items():
        if times > 1 and not _is_index(name):
            faults.append(f"has {times} columns {name!r}; give each a name of its own")
    faults += list(faults_of_names(others))
    if faults:
        raise UserError("\n".join(f"{table} {fault}" for fault in faults))
    return Columns(file, roles.get(SPLIT), roles.get(GROUPS[0]), tuple(others))


def faults_of_names(names: Sequence[str]) -> list[str]:
    """Return what is wrong with the names of a table's attributes, in words that follow the table's name."""
    faults = []
    if not names:
        faults.append("has no column of an attribute: one beside those of file, split and identity or group is needed")
    if len(names) > MOST_ATTRIBUTES:
        faults.append(
            f"has {len(names):,} columns of attributes, at most {MOST_ATTRIBUTES:,} are expected; name those that "
            "are meant in dataset.columns"
        )
    for name in names:
        if not name.isprintable() or name != name.strip() or len(name.encode()) > NAME_BYTES:
            faults.append(
                f"has a column {name[:60]!r}: the name of an attribute is printable text of at most {NAME_BYTES} "
                "bytes, without spaces around it"
            )
        elif name.lower() in RESERVED:
            faults.append(f"has a column {name!r}, which no attribute may be called; rename it")
    places: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        places.setdefault(folder_of(name).casefold(), []).append(name)
    for folder, same in places.items():
        if len(same) > 1:
            faults.append(f"has columns {', '.join(map(repr, same))}, whose folders would all be {folder}; rename them")
    return faults


def is_table(path: Path) -> bool:
    """Return whether a path has the suffix of a table of labels."""
    return path.suffix.lower() in (*SEPARATORS, PARQUET)


def _is_index(name: str) -> bool:
    """Return whether a column is the index that pandas writes by default."""
    return name == "" or name.startswith("Unnamed: ") or name == "__index_level_0__"


def _header(path: Path) -> list[str]:
    """Return the names of a table's columns."""
    kind = path.suffix.lower()
    if not is_table(path):
        raise UserError(f"{path}: expected a table, {', '.join([*SEPARATORS, PARQUET])}")
    if not path.is_file():
        raise UserError(f"{path}: no such file; paths are seen from {Path.cwd()}")
    try:
        if kind == PARQUET:
            import pyarrow.parquet

            return [name.strip() for name in pyarrow.parquet.read_schema(path).names]
        with path.open(encoding="utf-8-sig", newline="") as file:
            row = next(csv.reader(file, delimiter=SEPARATORS[kind]), [])
    except Exception as error:  # of the libraries, whatever damaged bytes lead them to
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be read as a table ({reason}); expected a {kind[1:]} file") from None
    if not any(row):
        raise UserError(f"{path}: the first line is empty; expected the names of the columns")
    return [name.strip() for name in row]


class LabelTable:
    """A table of labels and the images that it names; see `faceflip.data.reading.Reader`.

    Labels are -1 (absent), +1 (present) or 0 (unknown).
    """

    splits = SPLITS
    size = None

    def __init__(
        self,
        table: Path | str,
        images: Path | str | None = None,
        *,
        columns: Sequence[str] | None = None,
        splits: Path | str | None = None,
        split_shares: Sequence[float] | None = None,
        split_seed: int | None = None,
        subset: bool = False,
    ) -> None:
        """Read the header; `images` is a folder or zip archive, by default the folder of the table.

        The splits are those of the file `splits`, of the table's own column, or made anew by `split_shares`, of
        training, validation and test, with each identity or group in one split. With `subset`, rows whose images are
        not there are passed over.
        """
        self.path = Path(table)
        self.name = str(table)
        self.columns = read_columns(self.name, columns)
        self.attributes = self.columns.attributes
        self._splits_file = None if splits is None else Path(splits)
        self._shares, self._seed, self._subset = split_shares, split_seed, subset
        if not (self.columns.split or splits or split_shares):
            raise UserError(
                f"{self.name} has no column {SPLIT!r}; add one with {', '.join(SPLITS)}, or name a file that says it "
                "in dataset.splits, or set dataset.split_shares, such as [0.8, 0.1, 0.1]"
            )
        self.images = Path(images) if images is not None else self.path.parent
        self._images = Images(self.images)

    @cached_property
    def _rows(self) -> "pa.Table":
        """All columns as words: dictionaries of text."""
        roles = (self.columns.file, self.columns.split, self.columns.group)
        return read_words(self.path, [name for name in (*roles, *self.attributes) if name])

    @cached_property
    def table(self) -> "pd.DataFrame":
        """File names, splits and labels of the rows that are taken."""
        import pandas as pd

        faults: list[str] = []
        names = words_of(self._rows, self.columns.file)
        faults += faults_of_files(names)
        remedy = ". If it is no attribute, name those that are in dataset.columns"
        labels = labels_of(self._rows, self.attributes, faults, remedy)
        taken = [not self._subset or bool(name and self._images.find(name)) for name in names]
        splits = self._splits(names, taken, faults)
        if faults:
            raise UserError("\n".join(f"{self.name}: {fault}" for fault in faults))
        table = pd.DataFrame(labels, columns=list(self.attributes))
        table.insert(0, "file_name", names)
        table.insert(1, "split", splits)
        table = table[taken].reset_index(drop=True)
        if table.empty:
            raise UserError(f"{self.images} has none of the images that {self.name} names")
        self._require_known(table)
        return table

    def _splits(self, names: Sequence[str], taken: Sequence[bool], faults: list[str]) -> list[str]:
        """Return the split of each row; shares are of those that are taken."""
        if self._shares is not None:
            group = self.columns.group
            groups = zip(names, words_of(self._rows, group), strict=True) if group else ()
            persons = {name: each for name, each in groups if each}
            numbers = by_shares(list(compress(names, taken)), persons, self._shares, self._seed)
            return [SPLITS[numbers.get(name, 0)] for name in names]
        if self._splits_file is None:
            return _as_splits(words_of(self._rows, self.columns.split), f"column {self.columns.split!r}", faults)
        known = _read_splits(self._splits_file)
        if homeless := [name for name in names if name not in known]:
            faults.append(f"{quantity(len(homeless), 'image')} not in {self._splits_file}: {first_of(homeless, 3)}")
            return [SPLITS[0]] * len(names)
        return _as_splits([known[name] for name in names], str(self._splits_file), faults)

    def _require_known(self, table: "pd.DataFrame") -> None:
        """Raise UserError, naming all, where an attribute has nothing to learn from, or to be judged on."""
        faults = []
        for name in self.attributes:
            known = table[name] != 0
            empty = [split for split in SPLITS if not (known & (table["split"] == split)).any()]
            if empty and not table[table["split"].isin(empty)].empty:
                faults.append(f"attribute {name!r} is unknown on all images of the {' and the '.join(empty)} split")
            training = table.loc[known & (table["split"] == SPLITS[0]), name]
            if training.size and (training == training.iloc[0]).all():
                word = "present" if training.iloc[0] > 0 else "absent"
                faults.append(f"attribute {name!r} is {word} on all images of the {SPLITS[0]} split that say it")
        if faults:
            more = [f"and so on: {len(faults) - SHOWN} more"] * (len(faults) > SHOWN)
            remedy = "leave such attributes out of dataset.columns, or label more images"
            raise UserError("\n".join(f"{self.name}: {fault}" for fault in [*faults[:SHOWN], *more, remedy]))

    @cached_property
    def files(self) -> dict[str, str | None]:
        """The file of each image of the table, None where it is not there."""
        return {name: self._images.find(name) for name in self.table["file_name"]}

    def read(self, file: str) -> bytes:
        """Return the content of an image file; raises UnreadableError."""
        return self._images.read(file)

    def origin(self) -> dict[str, Any]:
        """Describe where labels and images come from."""
        files = [self.path, *([self._splits_file] if self._splits_file else [])]
        notes = []
        unknown = int((self.table[list(self.attributes)] == 0).to_numpy().sum())
        if unknown:
            every = len(self.table) * len(self.attributes)
            notes.append(f"{unknown:,} of {every:,} labels are unknown: such an image takes no part in that attribute")
        if self._subset and (left := self._rows.num_rows - len(self.table)):
            notes.append(f"a subset: {left:,} images of the table are not there")
        if self._shares is not None:
            told = f"the splits were made by the shares {', '.join(f'{share:g}' for share in self._shares)}"
            notes.append(told + (f", with each {self.columns.group} in one split" if self.columns.group else ""))
        return {
            "source": "table",
            "provenance": None,
            "files": [
                {"name": file.name, "bytes": file.stat().st_size, "sha256": sha256(file), "official": None}
                for file in files
            ],
            "images_from": str(self.images),
            "subset": self._subset,
            "split_shares": self._shares and list(self._shares),
            "notes": notes,
        }


def first_size(
    table: Path | str, images: Path | str | None, chosen: Sequence[str] | None = None
) -> tuple[int, int] | None:
    """Return width and height of an image of a table, of its first rows, None where none of these can be read.

    A table of whatever length costs no time here. Raises UserError where table or images cannot be opened.
    """
    found = Images(Path(images) if images is not None else Path(table).parent)
    for name in named_files(str(table), chosen, SHOWN):
        try:
            if (file := found.find(name)) and (size := size_of(found.read(file))):
                return size
        except UnreadableError:
            continue
    return None


class Images:
    """A folder or zip archive of images, and files in it by the names that a table gives."""

    def __init__(self, place: Path) -> None:
        """Open it; raises UserError where it is neither."""
        if not place.exists():
            raise UserError(f"{place} does not exist; expected a folder or zip archive of images (dataset.images)")
        self._top: Place = place if place.is_dir() else open_zip(place)

    def find(self, name: str) -> str | None:
        """Return the file of a name, None where there is none; in an archive it may be within the only folder."""
        if isinstance(self._top, Path):
            return name if (self._top / name).is_file() else None
        return next((whole for start in self._starts if (whole := start + name) in self._members), None)

    @cached_property
    def read(self) -> Callable[[str], bytes]:
        """What reads a file that was found, also from several threads at once."""
        return reader(self._top, FILE_LIMIT)

    @cached_property
    def _members(self) -> set[str]:
        return set(self._top.root.namelist())

    @cached_property
    def _starts(self) -> list[str]:
        tops = {name.partition("/")[0] for name in self._members if not name.startswith("__MACOSX")}
        return ["", *(f"{top}/" for top in tops if len(tops) == 1)]


def read_words(path: Path, wanted: Sequence[str]) -> "pa.Table":
    """Return some columns of a table as dictionaries of words, None as an empty one."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    names = _header(path)
    kind, bad = path.suffix.lower(), []
    try:
        if kind == PARQUET:
            stored = dict(zip(names, pa.parquet.read_schema(path).names, strict=True))
            file = pa.parquet.read_table(path, columns=[stored[name] for name in wanted])
            whole = pa.table([_as_text(file.column(stored[name])) for name in wanted], names=wanted)
        else:
            text = pa.dictionary(pa.int32(), pa.string())
            whole = pa.csv.read_csv(
                path,
                pa.csv.ReadOptions(column_names=_unique(names), skip_rows=1),
                pa.csv.ParseOptions(
                    delimiter=SEPARATORS[kind], invalid_row_handler=lambda row: bad.append(row) or "skip"
                ),
                pa.csv.ConvertOptions(
                    include_columns=wanted, column_types=dict.fromkeys(wanted, text), strings_can_be_null=False
                ),
            )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a table ({str(error).partition(chr(10))[0]})") from None
    if bad:
        shown = "".join(f"\n  {each.text[:60]!r} has {each.actual_columns}" for each in bad[:SHOWN])
        raise UserError(
            f"{path}: {quantity(len(bad), 'row')} with another number of values than the header's "
            f"{bad[0].expected_columns}:{shown}"
        )
    if not whole.num_rows:
        raise UserError(f"{path}: no rows below the header; expected one for each image")
    return whole


def _unique(names: Sequence[str]) -> list[str]:
    """Return names for PyArrow, which wants each once; that one is there twice is reported where columns are read."""
    return [f"{name}\0{position}" if names.count(name) > 1 else name for position, name in enumerate(names)]


def _as_text(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Return the values of a column as a dictionary of words; null and NaN, which pandas has for unknown, are empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    return pc.fill_null(pc.cast(column, pa.string()), "").dictionary_encode()


def labels_of(rows: "pa.Table", attributes: Sequence[str], faults: list[str], remedy: str = "") -> "np.ndarray":
    """Return the labels (rows, attributes) int8 of columns of words: -1, +1, or 0 where a cell is empty.

    What is no label is added to `faults`; `remedy` goes behind what is no word for one.
    """
    import numpy as np

    labels = np.zeros((rows.num_rows, len(attributes)), "int8")
    for number, name in enumerate(attributes):
        column = rows.column(name).combine_chunks()
        words = [_plain(word) for word in column.dictionary.to_pylist()]
        codes = column.indices.to_numpy(zero_copy_only=False)
        used = [words[code] for code in np.unique(codes)]
        if unknown := [word for word in used if word not in WORDS]:
            row = int(np.flatnonzero(np.isin(codes, [k for k, word in enumerate(words) if word in unknown]))[0])
            faults.append(
                f"column {name!r} has {first_of([repr(word) for word in sorted(unknown)], 3)} (first in row "
                f"{row + 1} below the header); expected 1 and 0 or -1, true and false, yes and no, or nothing "
                f"where it is unknown{remedy}"
            )
        elif {"0", "-1"} <= {*used}:
            faults.append(
                f"column {name!r} has both -1 and 0, so that 0 may be absent or unknown; write nothing where it "
                "is unknown"
            )
        else:
            labels[:, number] = np.array([WORDS.get(word, 0) for word in words], "int8")[codes]
    return labels


def words_of(rows: "pa.Table", name: str) -> list[str]:
    """Return the words of a column, without spaces around them."""
    return [word.strip() for word in rows.column(name).cast("string").to_pylist()]


def _plain(word: str) -> str:
    """Return a label's word in small letters, and a whole number such as 1.0 without its fraction."""
    return re.sub(r"\.0+$", "", word.strip().lower())


def faults_of_files(names: Sequence[str]) -> list[str]:
    """Return what is wrong with the files that rows name, in words that follow the table's name."""
    faults = []
    if empty := [str(row) for row, name in enumerate(names, 1) if not name]:
        faults.append(f"{quantity(len(empty), 'row')} without a file, such as row {empty[0]} below the header")
    if leading := list(filter(_leads_out, names)):
        faults.append(
            f"{quantity(len(leading), 'file')} outside of the images' folder, such as {first_of(leading, 3)}; name "
            "files as they are seen from dataset.images"
        )
    if twice := [name for name, times in Counter(names).items() if times > 1 and name]:
        faults.append(f"{quantity(len(twice), 'file')} named more than once: {first_of(twice, 3)}")
    return faults


def _as_splits(words: Iterable[str], where: str, faults: list[str]) -> list[str]:
    """Return the names of splits for words; what is none is reported."""
    made = [SPLIT_WORDS.get(_plain(word)) for word in words]
    unknown = Counter(word for word, split in zip(words, made, strict=True) if split is None)
    if unknown:
        told = first_of([f"{word!r} ({quantity(times, 'row')})" for word, times in unknown.items()], 3)
        near = "".join(did_you_mean(word, SPLITS) for word in [*unknown][:1])
        faults.append(f"{where} has {told}; expected {', '.join(SPLITS)} (or 0, 1, 2){near}")
    return [split or SPLITS[0] for split in made]


def _read_splits(path: Path) -> dict[str, str]:
    """Return the word for the split of each file: of a table, or of a text file with two words a line, as CelebA's."""
    if path.suffix.lower() == ".txt":
        try:
            rows = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read as text ({error})") from None
        if bad := [number for number, row in enumerate(rows, 1) if len(row) != 2]:
            raise UserError(f"{path}: line {bad[0]} has not two words; expected a file and its split in each")
        return dict(rows)
    header = [name for name in _header(path) if not _is_index(name)]
    role = {name.lower(): name for name in header}
    if SPLIT not in role and "partition" not in role:
        raise UserError(f"{path} has no column {SPLIT!r}, it has {first_of(header, SHOWN)}")
    split = role.get(SPLIT) or role["partition"]
    file = role.get(FILE) or next((name for name in header if name != split), None)
    if file is None:
        raise UserError(f"{path} has the column {split!r} alone; expected one of files, too")
    rows = read_words(path, [file, split])
    return dict(zip(words_of(rows, file), words_of(rows, split), strict=True))


def named_files(table: str, chosen: Sequence[str] | None = None, most: int | None = None) -> list[str]:
    """Return the files that the rows of a table name, or the first rows; those outside of its folder are passed over.

    Raises UserError where the table cannot be read.
    """
    path, column = Path(table), read_columns(table, chosen).file
    try:
        if path.suffix.lower() == PARQUET:
            import pyarrow.parquet

            batches = pyarrow.parquet.ParquetFile(path).iter_batches(most or 1 << 16, columns=[column])
            names = chain.from_iterable(batch.column(0).cast("string").to_pylist() for batch in batches)
            names = [name or "" for name in islice(names, most)]
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.reader(file, delimiter=SEPARATORS[path.suffix.lower()])
                place = [name.strip() for name in next(rows)].index(column)
                names = [row[place].strip() for row in islice(rows, most) if len(row) > place]
    except Exception as error:  # of the libraries, whatever damaged bytes lead them to
        raise UserError(f"{table}: cannot be read as a table ({str(error).partition(chr(10))[0]})") from None
    return [name for name in names if name and not _leads_out(name)]


def _leads_out(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/")
