"""`faceflip flip`: attack a trained network on images of one's own."""

import json
import warnings
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceflip import wording
from faceflip.cli.images import read_image
from faceflip.errors import NetworkWarning, UserError
from faceflip.registry import is_reference, label_of
from faceflip.wording import printable

if TYPE_CHECKING:
    import numpy as np

    from faceflip.attacks import AttackResult


def flip(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT.pt", help="A network that the workflow trained.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Faces, cropped as the network's own.")],
    attribute: Annotated[
        str | None, typer.Option(help="The attribute to flip; a network of one attribute needs none.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="present|absent", help="The annotation, for fgs_label=annotated; once, or for each image."
        ),
    ] = None,
    attack: Annotated[
        str,
        typer.Option(
            help="One of those below; any name, with the options direction and search; or MODULE:NAME of a library, "
            "FILE.py:FUNCTION of one's own."
        ),
    ] = "ffa-line",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Of the attack, such as max_steps=40 or direction=FILE.py:CLASS."),
    ] = None,
    own_code: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE.py:NAME", help="Loss or architecture of one's own that the checkpoint may name."),
    ] = None,
    resize: Annotated[bool, typer.Option(help="Resize images to the network's size instead of refusing them.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write adversarial images as PNG.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Flip an attribute on images with the smallest perturbation, and score them by PASS.

    Example: faceflip flip results/networks/moon/all/converged.pt me.png --attribute Smiling -o flipped
    """
    import numpy as np

    from faceflip.attacks import AttackOptions
    from faceflip.attacks import attack as run
    from faceflip.attacks.options import for_attack
    from faceflip.catalogue import find_search
    from faceflip.networks.checkpoint import load_checkpoint
    from faceflip.pixels import perturbed
    from faceflip.runtime.device import prepare
    from faceflip.similarity import pass_scores

    options = for_attack(attack, _options(option or []))
    # Tells wrong names and values before anything is read, also names of other arguments of the library's `attack`.
    entry = AttackOptions.of(options).attack(attack)
    place = prepare(device, threads=1)
    network, _ = load_checkpoint(checkpoint, place, own_code=own_code or ())
    known = network.spec.attributes
    attribute = _chosen(attribute, known, checkpoint)
    originals = _read_all(images, network.spec.image_size, resize)
    files = _files(output, images, attribute, attack) if output else []  # before the attack, lest it be for nothing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NetworkWarning)  # they stand in the result
        result = run(
            network,
            originals,
            attack,
            attribute=known.index(attribute),
            objective=network.spec.loss,
            labels=_labels(label, len(images)),
            device=place,
            **options,
        )
    adversarial = perturbed(originals, result.perturbation)
    similarity = np.full(len(images), np.nan)
    if result.flipped.any():
        similarity[result.flipped] = pass_scores(originals[result.flipped], adversarial[result.flipped]).pass_
    written = _write(files, adversarial, result.flipped) if output else {}
    records = _records(images, result, similarity, written)
    for sentence in result.warnings:
        typer.echo(f"Warning: {printable(sentence)}", err=True)
    if as_json:
        told = {"attribute": attribute, "attack": attack, "warnings": list(result.warnings), "images": records}
        typer.echo(json.dumps(told, indent=2))
    else:
        counted = find_search(entry.search).epsilon
        epsilon = "epsilon" if counted == "pixel values" else counted
        _print(f"{printable(attribute)} by {printable(attack)}", epsilon, records, written=bool(written))


def _chosen(attribute: str | None, known: tuple[str, ...], checkpoint: Path) -> str:
    if attribute is None and len(known) == 1:
        return known[0]
    if attribute not in known:
        given = "no attribute is given" if attribute is None else f"'{attribute}' is not one of its attributes"
        raise UserError(f"{checkpoint}: {given}; name one with --attribute: {', '.join(known)}")
    return attribute


def _read_all(paths: list[Path], size: tuple[int, int], resize: bool) -> "np.ndarray":
    """Return the images as (N, height, width, 3) uint8, or tell all that cannot be used."""
    import cv2
    import numpy as np

    images, faults = [], []
    for path in paths:
        try:
            image = read_image(path)
        except UserError as fault:
            faults.append(str(fault))
            continue
        if resize:
            image = cv2.resize(image, tuple(size), interpolation=cv2.INTER_AREA)
        height, width = image.shape[:2]
        if (width, height) != tuple(size):
            faults.append(
                f"{path}: {width} x {height} pixels, the network sees {size[0]} x {size[1]}; crop it like the "
                "network's own images and resize it, or give --resize"
            )
        images.append(image)
    if faults:
        raise UserError("\n".join(faults))
    return np.stack(images)


def _labels(words: list[str] | None, images: int) -> list[int] | None:
    """Return the labels, -1 or +1, of so many images."""
    if not words:
        return None
    known = {"present": 1, "absent": -1, "1": 1, "+1": 1, "-1": -1}
    if unknown := [word for word in words if word not in known]:
        raise UserError(f"--label {', '.join(unknown)}: expected present or absent (or 1 or -1)")
    if len(words) not in (1, images):
        raise UserError(f"--label is given {len(words)} times: give it once for all images, or {images} times")
    return [known[word] for word in words] * (images if len(words) == 1 else 1)


def _options(pairs: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE pairs."""
    options = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--option {pair}: expected NAME=VALUE, such as max_steps=40")
        try:
            options[name.strip()] = _value(value)
        except ValueError as error:
            raise UserError(f"--option {pair}: {error}") from None
    return options


def _value(text: str) -> Any:
    """Read a number, also one such as 1e-3, which is none in YAML, or null, a truth value or a word as in YAML."""
    import yaml

    if is_reference(text):
        return text
    for number in (int, float):
        with suppress(ValueError):
            return number(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError("expected a number, null or a word behind the =") from None


def _files(folder: Path, paths: list[Path], attribute: str, attack: str) -> list[Path]:
    """Return where to write the adversarial image of each image; no two to one file, none to an image given.

    Where images have the same name, or one in which only the case of letters differs, they get numbers. Raises
    UserError, before anything is computed, where nothing can be written there.
    """
    from faceflip.io.files import name_beside, require_writable, telling_disk_errors

    with telling_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    require_writable([folder])
    known = Counter(path.stem.casefold() for path in paths)
    files = []
    for number, path in enumerate(paths, 1):
        stem = path.stem
        if known[stem.casefold()] > 1:
            stem = next(name for k in count(number) if (name := f"{path.stem}-{k}").casefold() not in known)
            known[stem.casefold()] = 1
        file = folder / f"{stem}-{attribute}-{label_of(attack)}.png".replace("/", "-")
        with telling_disk_errors(file):
            name_beside(file).exists()  # an error where the name is too long
        files.append(file)
    given = {path.resolve() for path in paths}
    if overwritten := [str(file) for file in files if file.resolve() in given]:
        raise UserError(f"{', '.join(overwritten)}: would be written to, but is given as an image; name another folder")
    return files


def _write(files: list[Path], images: "np.ndarray", flipped: "np.ndarray") -> dict[int, str]:
    """Write the flipped images as lossless PNG and return their paths."""
    from PIL import Image

    from faceflip.io.files import replacing

    for k in flipped.nonzero()[0]:
        with replacing(files[k]) as beside:
            Image.fromarray(images[k]).save(beside, format="PNG")
    return {k: str(files[k]) for k in flipped.nonzero()[0]}


def _records(
    paths: list[Path], result: "AttackResult", similarity: "np.ndarray", files: dict[int, str]
) -> list[dict[str, Any]]:
    """Return what became of each image as plain values, NaN as None."""
    import numpy as np

    from faceflip.outcomes import Outcome

    def plain(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    return [
        {
            "image": str(path),
            "outcome": Outcome(result.outcome[k]).label,
            **{name: plain(getattr(result, name)[k]) for name in ("score_before", "score_after", "epsilon")},
            "steps": int(result.steps[k]),
            "linf": int(np.abs(result.perturbation[k]).max()),
            "pass": plain(similarity[k]),
            "file": files.get(k),
        }
        for k, path in enumerate(paths)
    ]


def _print(title: str, epsilon: str, records: list[dict[str, Any]], written: bool) -> None:
    from faceflip.cli.printing import print_table

    def cell(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    columns = {"image": "path", "outcome": "word"}
    columns |= dict.fromkeys(("score\nbefore", "after", epsilon, "largest\nchange", "PASS"), "number")
    columns |= {"written to": "path"} if written else {}
    typer.echo(title)
    print_table(
        columns,
        [
            (
                record["image"],
                record["outcome"].replace("_", " "),
                cell(record["score_before"], "+.4f"),
                cell(record["score_after"], "+.2e"),
                cell(record["epsilon"], ".4g"),
                "" if record["epsilon"] is None else str(record["linf"]),
                "" if record["pass"] is None else wording.similarity(record["pass"]),
                *([record["file"] or ""] if written else []),
            )
            for record in records
        ],
    )
