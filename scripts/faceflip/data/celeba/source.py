"""CelebA as a source of faces: where its parts are, their labels, and where they come from."""

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceflip.data.celeba import ATTRIBUTES, SPLITS, official
from faceflip.data.celeba.contents import Place, read_needed
from faceflip.data.celeba.finding import find
from faceflip.data.celeba.image_folder import ImageFolder
from faceflip.data.celeba.labels import TEXT_LIMIT, Labels, read_labels
from faceflip.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


class CelebA:
    """A CelebA, folder or zip archive, in any form that `finding` knows; see `faceflip.data.reading.Reader`.

    Raises:
        UserError: There is no such folder or file, or no complete CelebA in it.
    """

    attributes = ATTRIBUTES
    splits = SPLITS

    def __init__(self, root: Path | str) -> None:
        self._layout = find(root)
        self._layout.require()
        self._images = ImageFolder(self._layout.images)
        self.name = str(self._layout.root)

    @cached_property
    def _labels(self) -> Labels:
        return read_labels(self._layout)

    @property
    def table(self) -> "pd.DataFrame":
        """File names, splits and labels; see `faceflip.data.celeba.labels.Labels`."""
        return self._labels.table

    @cached_property
    def files(self) -> dict[str, str | None]:
        """The file of each annotated image; see `ImageFolder.files`."""
        return self._images.files(self.table["file_name"])

    def read(self, file: str) -> bytes:
        """Read an image file by its name, from any thread; raises `UnreadableError`."""
        return self._images.read(file)

    def origin(self) -> dict[str, Any]:
        """Describe where labels and images come from, and compare with the official files.

        Raises:
            UserError: Official files are damaged, labels cannot be read, or the note on drawn faces is not JSON.
        """
        layout, drawn = self._layout, self._layout.provenance is not None
        texts = {"annotations": layout.annotations, "partition": layout.partition}
        places = [*texts.values(), *([] if isinstance(layout.images, Path) else [Path(layout.images.root.filename)])]
        verdicts = official.check(places)
        warnings = [] if drawn else [warning for verdict in verdicts if (warning := verdict.warning())]
        return {
            "source": "synthetic" if drawn else "celeba",
            "provenance": _provenance(layout.provenance) if drawn else None,
            "files": [
                {"name": layout.name(place), "bytes": verdict.bytes, "official": verdict.official}
                for place, verdict in zip(places, verdicts, strict=True)
            ],
            "images_from": layout.name(layout.images),
            "notes": [*warnings, *self._labels.notes, *self._unannotated()],
            **{
                f"{name}_sha256": hashlib.sha256(read_needed(place, TEXT_LIMIT)).hexdigest()
                for name, place in texts.items()
            },
        }

    def _unannotated(self) -> list[str]:
        extra = self._images.others(self.files.values())
        if len(extra) == 1:
            return [f"one image has no annotation and is left out: {extra[0]}"]
        told = f"{len(extra):,} images have no annotation and are left out, such as {', '.join(extra[:3])}"
        return [told] if extra else []


def _provenance(place: Place) -> Any:
    """Return what was noted beside drawn faces."""
    try:
        return json.loads(read_needed(place, TEXT_LIMIT))
    except ValueError as error:
        raise UserError(
            f"{place} is not JSON ({error}); it comes with drawn faces: draw them anew, or remove it if they are others"
        ) from None
