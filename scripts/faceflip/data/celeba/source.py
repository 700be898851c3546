"""CelebA as a source of faces: where its parts are, their labels, and where they come from."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceflip.data.celeba import ATTRIBUTES, MISLABELLED_HEADER, SPLITS, official
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

    def __init__(
        self,
        root: Path | str,
        *,
        subset: bool = False,
        split_shares: Sequence[float] | None = None,
        split_seed: int | None = None,
    ) -> None:
        """Look for the parts; with `subset`, annotated images that are not there are passed over.

        With `split_shares`, of training, validation and test, the splits are made anew, other ones with another
        `split_seed`: see `read_labels`.
        """
        self.layout = find(root)
        self.layout.require(partition=split_shares is None)
        self._subset, self._split_shares, self._split_seed = subset, split_shares, split_seed
        self.name = str(self.layout.root)
        self.read = reader(self.layout.images, FILE_LIMIT)

    @cached_property
    def labels(self) -> Labels:
        """Annotations and splits of the images, with notes; raises UserError where none is there."""
        taken = (lambda name: self._file_of(name) is not None) if self._subset else None
        labels = read_labels(self.layout, taken=taken, split_shares=self._split_shares, split_seed=self._split_seed)
        if labels.table.empty:
            raise UserError(
                f"{self.name}: {self.layout.name(self.layout.images)} has none of the images that "
                f"{self.layout.name(self.layout.annotations)} names"
            )
        return labels

    @property
    def table(self) -> "pd.DataFrame":
        """File names, splits and labels; see `faceflip.data.celeba.labels.Labels`."""
        return self.labels.table

    @cached_property
    def _images(self) -> list[str]:
        return sorted(filter(is_image_name, list_names(self.layout.images)))

    @cached_property
    def files(self) -> dict[str, str | None]:
        """The file of each annotated image: 000001.jpg may also be 000001.png, as in the archive of lossless images."""
        return {name: self._file_of(name) for name in self.table["file_name"]}

    def _file_of(self, name: str) -> str | None:
        return self._found.get(name) or self._found.get(_stem(name))

    @cached_property
    def _found(self) -> dict[str, str]:
        """Files by their names, and by what stands before the dot."""
        return {_stem(name): name for name in self._images} | {name: name for name in self._images}

    @cached_property
    def mislabelled(self) -> set[tuple[str, str]] | None:
        """Name and attribute of each label that was falsified when the faces were drawn; None where that is not known.

        Raises UserError where the file is damaged.
        """
        place = self.layout.mislabelled
        if place is None:
            return None
        lines = read_needed(place, TEXT_LIMIT).decode(errors="replace").split()
        rows = [line.split(",") for line in lines[1:]]
        if lines[:1] != [MISLABELLED_HEADER] or any(len(row) != 2 or row[1] not in ATTRIBUTES for row in rows):
            raise UserError(
                f"{place}: expected rows of {MISLABELLED_HEADER}; it comes with drawn faces: draw them "
                "anew, or remove it"
            )
        return {(name, attribute) for name, attribute in rows}

    def origin(self) -> dict[str, Any]:
        """Describe where labels and images come from; raises UserError where official files or notes are damaged."""
        layout, drawn = self.layout, self.layout.provenance is not None
        texts = {"annotations": layout.annotations}
        if self._split_shares is None:
            texts["partition"] = layout.partition
        elif layout.identities:
            texts["identities"] = layout.identities
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
            "subset": self._subset,
            "split_shares": self._split_shares and list(self._split_shares),
            "notes": [*warnings, *self.labels.notes, *self._unannotated()],
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
