"""CelebA as a source of faces: where its parts are, their labels, and where they come from."""

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceflip.data.celeba import ATTRIBUTES, SPLITS, official
from faceflip.data.celeba.contents import Place, list_names, read_needed, reader
from faceflip.data.celeba.finding import find, is_image_name
from faceflip.data.celeba.labels import TEXT_LIMIT, Labels, read_labels
from faceflip.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

FILE_LIMIT = 1 << 24
"""The most bytes that an image file may have; an aligned image has about 7,000."""


class CelebA:
    """A CelebA in any form that `finding` knows; see `faceflip.data.reading.Reader`."""

    attributes = ATTRIBUTES
    splits = SPLITS

    def __init__(self, root: Path | str) -> None:
        self._layout = find(root)
        self._layout.require()
        self.name = str(self._layout.root)
        self.read = reader(self._layout.images, FILE_LIMIT)

    @cached_property
    def _labels(self) -> Labels:
        return read_labels(self._layout)

    @property
    def table(self) -> "pd.DataFrame":
        """File names, splits and labels; see `faceflip.data.celeba.labels.Labels`."""
        return self._labels.table

    @cached_property
    def _images(self) -> list[str]:
        return sorted(filter(is_image_name, list_names(self._layout.images)))

    @cached_property
    def files(self) -> dict[str, str | None]:
        """The file of each annotated image: 000001.jpg may also be 000001.png, as in the archive of lossless images."""
        found = {_stem(name): name for name in self._images} | {name: name for name in self._images}
        return {name: found.get(name) or found.get(_stem(name)) for name in self.table["file_name"]}

    def origin(self) -> dict[str, Any]:
        """Describe where labels and images come from; raises UserError where official files or notes are damaged."""
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
        } | {
            f"{name}_sha256": hashlib.sha256(read_needed(place, TEXT_LIMIT)).hexdigest()
            for name, place in texts.items()
        }

    def _unannotated(self) -> list[str]:
        extra = sorted(set(self._images).difference(self.files.values()))
        if len(extra) == 1:
            return [f"one image has no annotation and is left out: {extra[0]}"]
        told = f"{len(extra):,} images have no annotation and are left out, such as {', '.join(extra[:3])}"
        return [told] if extra else []


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _provenance(place: Place) -> Any:
    """Return what was noted beside drawn faces."""
    try:
        return json.loads(read_needed(place, TEXT_LIMIT))
    except ValueError as error:
        raise UserError(
            f"{place} is not JSON ({error}); it comes with drawn faces: draw them anew, or remove it if they are others"
        ) from None
