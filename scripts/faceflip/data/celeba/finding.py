"""Finding CelebA's files in the forms in which people have it.

The official download has folders `Anno`, `Eval` and `Img`; torchvision puts everything into `celeba`; Kaggle's archive
has CSV files and the images in a folder within a folder of the same name; and the images may still be zipped. People
rename folders, too: one of any name that holds the annotations, or images, will do where it is the only one.
"""

import os
import shlex
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from faceflip.data.celeba import ANNOTATIONS, IDENTITIES, IMAGES, MISLABELLED_LABELS, PARTITION, PROVENANCE
from faceflip.data.celeba.contents import Place, list_names, names_leading_out, open_zip
from faceflip.data.celeba.official import FETCH
from faceflip.errors import UserError
from faceflip.io.files import is_folder
from faceflip.wording import first_of

IMAGE_FOLDERS = (IMAGES, f"{IMAGES}_png")
IMAGE_ARCHIVE = f"{IMAGES}.zip"
LISTED = 8
"""So many names of what lies in a place are listed."""


@dataclass(frozen=True)
class Layout:
    """Where the parts of a CelebA are in `root`, the folder or zip archive that was looked into.

    None for what was not found or looked for. `identities` says who is on the images; where faces were drawn,
    `provenance` says how, and `mislabelled` which labels were falsified.
    """

    root: Path
    annotations: Place | None
    partition: Place | None
    images: Place | None
    identities: Place | None
    provenance: Place | None
    mislabelled: Place | None

    def require(self, *, images: bool = True, partition: bool = True) -> None:
        """Raise a `UserError` that says what is missing, what lies there instead, and where to fetch it.

        `images` and `partition` require these, too.
        """
        parts = {f"the annotations, {ANNOTATIONS} or {_csv(ANNOTATIONS)}": self.annotations}
        if partition:
            parts[f"the partition, {PARTITION} or {_csv(PARTITION)}"] = self.partition
        if images:
            parts[f"the images, {IMAGES}/ or {IMAGE_ARCHIVE}"] = self.images
        missing = "".join(f"  {name}\n" for name, place in parts.items() if place is None)
        if missing:
            missing += _contents_in_words(self.root)
            if self.root.is_file() and (names := names_leading_out(self.root)):
                missing += (
                    f"Names that lead out of the archive are passed over, such as {', '.join(names[:3])}; zip the "
                    "folder anew, from within it.\n"
                )
            raise UserError(
                f"{self.root} has no complete CelebA; missing there, in celeba/ or the like, and in Anno/, Eval/, Img/ "
                f"of both:\n{missing}{FETCH}"
            )

    def name(self, place: Place) -> str:
        """Return a file's name as seen from the folder that was given."""
        start = self.root if self.root.is_dir() else self.root.parent
        path = Path(str(place).rstrip("/"))
        return PurePosixPath(path.relative_to(start) if path.is_relative_to(start) else path).as_posix()


def find(root: Path | str, *, images: bool = True) -> Layout:
    """Look for CelebA, or without `images` for its labels alone, in a folder or zip archive.

    Raises UserError where there is none of that name, or a zip archive that is needed cannot be opened.
    """
    root = Path(root)
    if not root.exists():
        raise UserError(f"{root} does not exist; expected a folder or zip archive of CelebA.\n{FETCH}")
    if not _is_open(root):
        raise UserError(f"{root} may not be read; make it readable, with the folders and files in it")
    if root.is_file() and root.suffix.lower() in (".txt", ".csv"):
        folder = root.parent.parent if root.parent.name in ("Anno", "Eval") else root.parent
        raise UserError(f"{root} is a text file; name the folder or zip archive of CelebA: {shlex.quote(str(folder))}")
    top: Place = root if root.is_dir() else open_zip(root)
    bases = _bases(top)
    texts = bases if isinstance(top, Path) or _text(bases, "Anno", ANNOTATIONS) else _bases_beside(root)
    return Layout(
        root,
        _text(texts, "Anno", ANNOTATIONS),
        _text(texts, "Eval", PARTITION),
        _opened_images(bases) if images else None,
        _text(texts, "Anno", IDENTITIES),
        _beside(texts, PROVENANCE),
        _beside(texts, MISLABELLED_LABELS),
    )


def input_files(root: Path | str, *, identities: bool = False) -> list[Path]:
    """Return what a dataset made from a CelebA depends on, as far as it is there already; archives are not opened.

    With `identities` also on the file of who is on the images.
    """
    root = Path(root)
    if not _is_open(root):
        return []
    bases, images = (_bases(root), None) if root.is_dir() else (_bases_beside(root), root)
    found = [
        _text(bases, "Anno", ANNOTATIONS),
        _text(bases, "Eval", PARTITION),
        images or _images(bases),
        _text(bases, "Anno", IDENTITIES) if identities else None,
        _beside(bases, PROVENANCE),
        _beside(bases, MISLABELLED_LABELS),
    ]
    return [place for place in found if place is not None]


def _bases(top: Place) -> list[Place]:
    """Return the folders in which CelebA's parts are looked for: `celeba`, or the only one that has annotations."""
    known = [base for base in (top, top / "celeba") if base.is_dir()]
    if _text(known, "Anno", ANNOTATIONS):
        return known
    others = [folder for folder in _folders(top) if _text([folder], "Anno", ANNOTATIONS)]
    return [*known, *others] if len(others) == 1 else known


def _is_open(path: Path | str) -> bool:
    """Return whether a folder or file is there and may be looked into."""
    return os.access(path, os.R_OK | (os.X_OK if is_folder(Path(path)) else 0))


def _folders(parent: Place) -> list[Place]:
    """Return the folders within one, but for closed ones, hidden ones and what macOS puts into archives."""
    if not parent.is_dir():
        return []
    if isinstance(parent, Path):
        with os.scandir(parent) as entries:  # says what is a folder without a look at each of 200,000 files
            names = sorted(entry.name for entry in entries if entry.is_dir() and _is_open(entry.path))
    else:
        names = sorted(each.name for each in parent.iterdir() if each.is_dir())
    return [parent / name for name in names if not name.startswith((".", "__"))]


def _bases_beside(archive: Path) -> list[Place]:
    """Return where text files are when an archive of images alone was given."""
    folder = archive.parent
    return [*_bases(folder), *([folder.parent] if folder.name == "Img" else [])]


def _csv(name: str) -> str:
    return name.replace(".txt", ".csv")


def _text(bases: list[Place], subfolder: str, name: str) -> Place | None:
    """Return the first of the places where a text file may be; official files come before CSV files."""
    for base in bases:
        for place in (base / subfolder / name, base / name, base / subfolder / _csv(name), base / _csv(name)):
            if place.is_file():
                return place
    return None


def _beside(bases: list[Place], name: str) -> Place | None:
    return next((place for base in bases if (place := base / name).is_file()), None)


def _images(bases: list[Place]) -> Place | None:
    """Return the folder that holds images, or archive on the disk that is to hold them: the first by its name.

    Where none has the name, the only folder does that holds images.
    """
    parents = [parent for base in bases for parent in (base, base / "Img")]
    for parent in parents:
        for name in IMAGE_FOLDERS:
            for folder in (parent / name, parent / name / name):
                if folder.is_dir() and _holds_images(folder):
                    return folder
        if isinstance(parent, Path) and (archive := parent / IMAGE_ARCHIVE).is_file():
            return archive
    others = {str(folder): folder for parent in parents for folder in (parent, *_folders(parent)) if folder.is_dir()}
    holding = [folder for folder in others.values() if _holds_images(folder)]
    return holding[0] if len(holding) == 1 else None


def _opened_images(bases: list[Place]) -> Place | None:
    """Return the folder that holds the images, inside of an archive where that is where they are."""
    images = _images(bases)
    return _images(_bases(open_zip(images))) if isinstance(images, Path) and images.is_file() else images


def _contents_in_words(root: Path) -> str:
    """Return what to say of what lies in a folder or archive that is no complete CelebA."""
    names = sorted(list_names(root if root.is_dir() else open_zip(root)))
    told = f"There lie{'s' * (len(names) < 2)} {first_of(names, LISTED) or 'nothing'}.\n"
    if root.is_dir():
        archives = [name for name in names if name.endswith(".zip")]
        return told + (f"If {archives[0]} has it all, name that.\n" if len(archives) == 1 else "")
    with zipfile.ZipFile(root) as file:
        inner = [name for name in file.namelist() if name.endswith((".zip", ".7z", ".tar", ".gz"))]
    if inner:
        told += f"An archive within an archive, such as {inner[0]}, is not read: unpack {root} and name the folder.\n"
    return told


def _holds_images(folder: Place) -> bool:
    return any(is_image_name(name) for name in list_names(folder))


def is_image_name(name: str) -> bool:
    """Return whether a file is an image by its name; what macOS puts beside each file in an archive is not."""
    return name.lower().endswith((".jpg", ".jpeg", ".png")) and not name.startswith(".")
