"""What a reader of faces must offer, so that `faceflip.data.packing.pack_dataset` can pack them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd


class Reader(Protocol):
    """Annotated faces in one place: a class of `faceflip.catalogue.READERS`, called with a folder or file.

    Whatever is wrong with the place as a whole is reported by a `UserError` that names it, from any of these.

    Attributes:
        name: What error messages call the place.
        attributes: Names of the attributes, in the order in which their labels are packed.
        splits: Names of the splits, in the order of their numbers.
        table: One row an image, in the order in which they are packed: `file_name`, `split` (one of `splits`), and one
            int8 column an attribute, -1 (absent), +1 (present) or 0 (unknown).
        files: For each `file_name` of the table what `read` takes, None where the image is missing.

    It may also have `mislabelled`, the set of (file name, attribute) whose labels were falsified on purpose, where that
    is known, and `size`, width and height that the images have unless they are resized: by default CelebA's, None for
    any size that all have.
    """

    name: str
    attributes: tuple[str, ...]
    splits: tuple[str, ...]
    table: "pd.DataFrame"
    files: Mapping[str, str | None]

    def read(self, file: str) -> bytes:
        """Return the content of an image file, also to several threads at once.

        Raises UnreadableError with the reason, in words that follow the file's name.
        """

    def origin(self) -> dict[str, Any]:
        """Return what the manifest records: `source` (a word for the kind of faces), `images_from`, `notes`, and more.

        `notes` are lines on what is unusual and no fault. It is called before `table` and `files` are read, so that
        files that are damaged as a whole are reported first.
        """
