"""Finding CelebA's files in the forms in which people have it.

The official download has folders `Anno`, `Eval` and `Img`; torchvision puts everything into `celeba`; Kaggle's archive
has CSV files and the images in a folder within a folder of the same name; and the images may still be zipped.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from faceflip.data.celeba import ANNOTATIONS, IMAGES, PARTITION, PROVENANCE
from faceflip.data.celeba.contents import Place, list_names, names_leading_out, open_zip
from faceflip.data.celeba.official import FETCH
from faceflip.errors import UserError

IMAGE_FOLDERS = (IMAGES, f"{IMAGES}_png")
IMAGE_ARCHIVE = f"{IMAGES}.zip"


@dataclass(frozen=True)
class Layout:
    """Where the parts of a CelebA are in `root`, the folder or zip archive that was looked into.

    None for what was not found or looked for; `provenance` says how faces were drawn, where they were.
    """

    root: Path
    annotations: Place | None
    partition: Place | None
    images: Place | None
    provenance: Place | None

    def require(self, *, images: bool = True) -> None:
        """Raise a `UserError` that tells what is missing and where to fetch it; `images` asks for the images, too."""
        parts = {
            f"the annotations, {ANNOTATIONS} or {_csv(ANNOTATIONS)}": self.annotations,
            f"the partition, {PARTITION} or {_csv(PARTITION)}": self.partition,
        }
        if images:
            parts[f"the images, {IMAGES}/ or {IMAGE_ARCHIVE}"] = self.images
        missing = "".join(f"  {name}\n" for name, place in parts.items() if place is None)
        if missing:
            if self.root.is_file() and (names := names_leading_out(self.root)):
                missing += (
                    f"Names that lead out of the archive are passed over, such as {', '.join(names[:3])}; zip the "
                    "folder anew, from within it.\n"
                )
            raise UserError(
                f"{self.root} has no complete CelebA; missing there, in celeba/, and in Anno/, Eval/, Img/ of both:\n"
                f"{missing}{FETCH}"
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
    top: Place = root if root.is_dir() else open_zip(root)
    bases = _bases(top)
    texts = bases if isinstance(top, Path) or _text(bases, "Anno", ANNOTATIONS) else _bases_beside(root)
    return Layout(root, *_texts(texts), _opened_images(top, bases) if images else None, _provenance(texts))


def input_files(root: Path | str) -> list[Path]:
    """Return what a dataset made from a CelebA depends on, as far as it is there already; archives are not opened."""
    root = Path(root)
    if not root.exists():
        return []
    bases, images = (_bases(root), None) if root.is_dir() else (_bases_beside(root), root)
    found = (*_texts(bases), images or _images(bases), _provenance(bases))
    return [place for place in found if place is not None]


def _bases(top: Place) -> list[Place]:
    return [base for base in (top, top / "celeba") if base.is_dir()]


def _bases_beside(archive: Path) -> list[Place]:
    """Return where text files are when an archive of images alone was given."""
    folder = archive.parent
    return [*_bases(folder), *([folder.parent] if folder.name == "Img" else [])]


def _csv(name: str) -> str:
    return name.replace(".txt", ".csv")


def _texts(bases: list[Place]) -> tuple[Place | None, Place | None]:
    return _text(bases, "Anno", ANNOTATIONS), _text(bases, "Eval", PARTITION)


def _text(bases: list[Place], subfolder: str, name: str) -> Place | None:
    """Return the first of the places where a text file may be; official files come before CSV files."""
    for base in bases:
        for place in (base / subfolder / name, base / name, base / subfolder / _csv(name), base / _csv(name)):
            if place.is_file():
                return place
    return None


def _provenance(bases: list[Place]) -> Place | None:
    return next((place for base in bases if (place := base / PROVENANCE).is_file()), None)


def _images(bases: list[Place]) -> Place | None:
    """Return the first folder that holds images, or archive on the disk that is to hold them."""
    for base in bases:
        for parent in (base, base / "Img"):
            for name in IMAGE_FOLDERS:
                for folder in (parent / name, parent / name / name):
                    if folder.is_dir() and _holds_images(folder):
                        return folder
            if isinstance(parent, Path) and (archive := parent / IMAGE_ARCHIVE).is_file():
                return archive
    return None


def _opened_images(top: Place, bases: list[Place]) -> Place | None:
    """Return the folder that holds the images, inside of an archive where that is where they are."""
    images = _images(bases)
    if isinstance(images, Path) and images.is_file():
        top = open_zip(images)
        images = _images(_bases(top))
    return images or (top if isinstance(top, zipfile.Path) and _holds_images(top) else None)


def _holds_images(folder: Place) -> bool:
    return any(is_image_name(name) for name in list_names(folder))


def is_image_name(name: str) -> bool:
    """Return whether a file is an image by its name; what macOS puts beside each file in an archive is not."""
    return name.lower().endswith((".jpg", ".jpeg", ".png")) and not name.startswith(".")
