"""What `faceflip flip` writes and prints."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from faceflip import wording
from faceflip.errors import UserError
from faceflip.wording import printable

if TYPE_CHECKING:
    import numpy as np

    from faceflip.photo import Crop
    from faceflip.photo.flipping import Flip


@dataclass(frozen=True)
class FlipFiles:
    """Where the pictures of one attempt are written to.

    Attributes:
        crop: The perturbed crop.
        photo: The photograph with the perturbation put back, None where the image is a crop already.
        picture: Before, perturbation, after.
    """

    crop: Path
    photo: Path | None
    picture: Path


def files_of(
    folder: Path, paths: Sequence[Path], whole: Sequence[bool], attributes: Sequence[str], attack: str, keep: list[Path]
) -> list[FlipFiles]:
    """Return the files of each attribute of each image; no two to one file, none to one of those to `keep`.

    Where images have the same name, or one in which only the case of letters differs, they get numbers. `whole` says
    which are photographs, not crops. Raises UserError, before anything is computed, where nothing can be written there.
    """
    from faceflip.io.files import name_beside, require_writable, telling_disk_errors
    from faceflip.io.paths import folder_of

    with telling_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    require_writable([folder])
    known = Counter(path.stem.casefold() for path in paths)
    files: list[FlipFiles] = []
    taken: set[str] = set()
    for number, (path, photo) in enumerate(zip(paths, whole, strict=True), 1):
        stem = path.stem
        if known[stem.casefold()] > 1:
            stem = next(name for k in count(number) if (name := f"{path.stem}-{k}").casefold() not in known)
            known[stem.casefold()] = 1
        for attribute in attributes:
            name = f"{stem}-{folder_of(attribute)}-{attack.replace('/', '-')}"
            name = next(each for k in count(1) if (each := name if k == 1 else f"{name}-{k}").casefold() not in taken)
            taken.add(name.casefold())
            crop, pasted, picture = (folder / f"{name}{end}.png" for end in ("", "-photo", "-picture"))
            files.append(FlipFiles(crop, pasted if photo else None, picture))
            with telling_disk_errors(pasted):
                name_beside(picture).exists()  # an error where the name is too long
    given = {path.resolve() for path in keep}
    written = [path for each in files for path in (each.crop, each.photo, each.picture) if path]
    if overwritten := [str(path) for path in written if path.resolve() in given]:
        raise UserError(f"{', '.join(overwritten)}: would be written to, but is given as an image; name another folder")
    return files


def write(files: FlipFiles, flip: "Flip", photo: "np.ndarray", crop: "Crop", title: list[str]) -> dict[str, str]:
    """Write what became of a flipped attempt as lossless PNG, and return the paths by what they show."""
    from PIL import Image

    from faceflip.io.files import replacing
    from faceflip.photo import comparison, pasted
    from faceflip.pixels import perturbed

    pictures = {"crop": (files.crop, Image.fromarray(perturbed(crop.pixels, flip.perturbation)))}
    if files.photo and flip.pasted:
        whole = pasted(photo, flip.perturbation, crop.alignment, flip.pasted.strength)
        pictures["photo"] = files.photo, Image.fromarray(whole)
    pictures["picture"] = files.picture, comparison(crop.pixels, flip.perturbation, title)
    for path, picture in pictures.values():
        with replacing(path) as beside:
            picture.save(beside, format="PNG")
    return {name: str(path) for name, (path, _) in pictures.items()}


def title_of(flip: "Flip", path: Path, attack: str) -> list[str]:
    """Return the lines of text above the picture of a flipped attempt."""
    was, now = ("present", "absent") if flip.score_before > 0 else ("absent", "present")
    size = sizes(flip)
    similarity = "" if math.isnan(flip.similarity) else f"PASS {wording.similarity(flip.similarity)}, "
    lines = [
        f"{path.name}: {flip.attribute} by {attack}, {was} before, {now} after",
        f"{similarity}largest change {size['linf']}, L2 {size['l2']:.4g}",
    ]
    if flip.changed is not None:
        lines.append(f"what else changed (+ present now, - absent now): {changes(flip) or 'nothing'}")
    return [printable(line) for line in lines]


def changes(flip: "Flip") -> str:
    """Return the other decisions that changed, ``+`` before those that are present now, ``-`` before those absent."""
    return ", ".join(f"{'+' if present else '-'}{name}" for name, present in (flip.changed or {}).items())


def sizes(flip: "Flip") -> dict[str, Any]:
    """Return how large the perturbation is."""
    import numpy as np

    wide = flip.perturbation.astype(np.int64)
    return {"linf": int(np.abs(wide).max()), "l2": float(np.linalg.norm(wide))}


def record(flip: "Flip", path: Path, crop: "Crop", files: dict[str, str]) -> dict[str, Any]:
    """Return what became of an attempt as plain values, NaN as None."""

    def plain(value: float) -> float | None:
        return None if math.isnan(value) else value

    pasted = flip.pasted and {**vars(flip.pasted), "score": plain(flip.pasted.score), "file": files.get("photo")}
    changed = flip.changed
    return {
        "image": str(path),
        "attribute": flip.attribute,
        "outcome": flip.outcome.label,
        **{name: plain(getattr(flip, name)) for name in ("score_before", "score_after", "epsilon")},
        "steps": flip.steps,
        **sizes(flip),
        "pass": plain(flip.similarity),
        "changed": changed and {name: "present" if now else "absent" for name, now in changed.items()},
        "crop": crop.found,
        "notes": list(crop.notes),
        "file": files.get("crop"),
        "picture": files.get("picture"),
        "photo": pasted,
    }


def print_records(title: str, epsilon: str, records: list[dict[str, Any]], flips: "Sequence[Flip]") -> None:
    """Print the table for people."""
    from faceflip.cli.printing import print_table

    written = any(each["file"] for each in records)
    pasted = any(each["photo"] for each in records)
    looked = any(flip.changed is not None for flip in flips)
    several = len({each["attribute"] for each in records}) > 1
    columns = {"image": "path", **({"attribute": "word"} if several else {}), "outcome": "word"}
    columns |= dict.fromkeys(("score\nbefore", "after", epsilon, "largest\nchange", "L2", "PASS"), "number")
    columns |= {"what else\nchanged": "path"} if looked else {}
    columns |= {"photo,\ncropped again": "word"} if pasted else {}
    columns |= {"written to": "path"} if written else {}
    typer.echo(title)
    print_table(
        columns,
        [
            (
                each["image"],
                *((each["attribute"],) if several else ()),
                each["outcome"].replace("_", " "),
                _cell(each["score_before"], "+.4f"),
                _cell(each["score_after"], "+.2e"),
                _cell(each["epsilon"], ".4g"),
                *(("", "") if each["epsilon"] is None else (str(each["linf"]), f"{each['l2']:.4g}")),
                "" if each["pass"] is None else wording.similarity(each["pass"]),
                *((changes(flip) or ("nothing" if flip.changed == {} else ""),) if looked else ()),
                *((_photo(each["photo"]),) if pasted else ()),
                *((each["file"] or "",) if written else ()),
            )
            for each, flip in zip(records, flips, strict=True)
        ],
    )


def _photo(pasted: dict[str, Any] | None) -> str:
    if pasted is None:
        return ""
    told = "flips" if pasted["flips"] else "does not flip"
    return told if pasted["strength"] == 1 else f"{told} at x {pasted['strength']:g}"


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
