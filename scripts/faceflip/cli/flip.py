"""`faceflip flip`: attack a trained network on photographs of your own."""

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceflip.cli import flipped
from faceflip.cli.arguments import OwnCode
from faceflip.cli.photos import read_photos, selections
from faceflip.errors import UserError
from faceflip.registry import is_reference, label_of
from faceflip.wording import printable

if TYPE_CHECKING:
    from faceflip.networks.members import Members

ALL = "all"
"""Said instead of an attribute: all those of the network."""


def flip(
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE", help="Photographs, or crops of the network's own size."),
    ],
    network: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT.pt|NAME",
            help="A network that the workflow trained, or the name of one of the run in this folder. "
            "Without it, the first argument is the checkpoint.",
        ),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|all", help="The attribute to flip, or several; a network of one attribute needs none."
        ),
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
            "FILE.py:FUNCTION of your own."
        ),
    ] = "ffa-line",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Of the attack, such as max_steps=40 or direction=FILE.py:CLASS."),
    ] = None,
    own_code: OwnCode = None,
    eyes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="x1,y1,x2,y2",
            help="Where the eyes are in the upright photograph, first the left one; for each image.",
        ),
    ] = None,
    face: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Which of the faces found, from the left; once, or for each image."),
    ] = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="The images are aligned crops: look for no face.")] = False,
    resize: Annotated[
        bool, typer.Option("--resize", help="They are, and are resized to the network's size instead of refused.")
    ] = False,
    strengthen: Annotated[
        bool,
        typer.Option("--strengthen", help="Put a perturbation back as strong as it takes for the photograph to flip."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write pictures as PNG.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Flip attributes of faces with the smallest perturbation, and score them by PASS.

    Faces in photographs are found and aligned as CelebA's are; images of the network's own size are taken as they are.

    Example: faceflip flip me.jpg --network moon --attribute Smiling -o flipped
    """
    from faceflip.attacks import AttackOptions
    from faceflip.attacks.options import for_attack
    from faceflip.catalogue import find_search
    from faceflip.networks.members import Members
    from faceflip.photo.flipping import Attack, flip_all
    from faceflip.runtime.device import prepare

    options = for_attack(attack, _options(option or []))
    # Tells wrong names and values before anything is read, also names of other arguments of the library's `attack`.
    entry = AttackOptions.of(options).attack(attack)
    checkpoints, images = _checkpoints(network, images)
    wanted = selections(len(images), eyes or [], face or [], as_is, resize)
    members = Members(checkpoints, prepare(device, threads=1), own_code or ())
    attributes = _chosen(attribute, members, network or str(checkpoints[0]))
    labels = _labels(label, len(images), len(attributes))
    photos, crops = read_photos(images, members.image_size, wanted)
    where = None
    if output:  # before the attack, lest it be for nothing
        whole = [crop.alignment is not None for crop in crops]
        where = flipped.files_of(output, images, whole, attributes, label_of(attack), keep=images)
    plan = Attack(attack, options, labels, strengthen, progress=sys.stderr.isatty())
    flips, warnings = flip_all(members, attributes, photos, crops, plan)
    records = []
    for k, each in enumerate(flips):
        path, photo, crop = images[each.image], photos[each.image], crops[each.image]
        title = flipped.title_of(each, path, label_of(attack)) if each.flipped else []
        written = flipped.write(where[k], each, photo, crop, title) if where and each.flipped else {}
        records.append(flipped.record(each, path, crop, written))
    for path, crop in zip(images, crops, strict=True):
        for note in crop.notes:
            typer.echo(f"Note: {printable(path)}: {note}", err=True)
    for sentence in warnings:
        typer.echo(f"Warning: {printable(sentence)}", err=True)
    told = attributes[0] if len(attributes) == 1 else None
    if as_json:
        heads = {"attribute": told, "attributes": attributes, "attack": attack, "warnings": warnings}
        typer.echo(json.dumps({**heads, "images": records}, indent=2))
    else:
        counted = find_search(entry.search).epsilon
        epsilon = "epsilon" if counted == "pixel values" else counted
        what = told or f"{len(attributes)} attributes"
        flipped.print_records(f"{printable(what)} by {printable(attack)}", epsilon, records, flips)


def _checkpoints(network: str | None, images: list[Path]) -> tuple[list[Path], list[Path]]:
    """Return the checkpoints of the network, and the images that are left."""
    from faceflip.networks.members import checkpoints_of

    if network is None:
        first, *images = images
        if first.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"):
            raise UserError(f"{first}: no network is given; name a checkpoint, or a network of the run, by --network")
        checkpoints = [first]
    elif Path(network).is_file() or network.endswith(".pt") or "/" in network:
        checkpoints = [Path(network)]
    else:
        checkpoints = list(checkpoints_of(network).values())
    if not images:
        raise UserError(f"{checkpoints[0]}: no image is given; name photographs, or crops of the network's own size")
    return checkpoints, images


def _chosen(wanted: list[str] | None, networks: "Members", network: str) -> list[str]:
    """Return the attributes to flip."""
    wanted = list(dict.fromkeys(wanted or []))
    known = networks.known([] if ALL in wanted else wanted)
    if wanted and set(wanted) <= set(known):
        return wanted
    known = networks.known()
    if wanted == [ALL] or (not wanted and len(known) == 1):
        return known
    fault = ", ".join(f"'{name}'" for name in wanted if name not in known)
    fault = f"{fault} is not one of its attributes" if wanted else "no attribute is given"
    raise UserError(f"{network}: {fault}; name one with --attribute, or {ALL}: {', '.join(known)}")


def _labels(words: list[str] | None, images: int, attributes: int) -> list[int] | None:
    """Return the labels, -1 or +1, of so many images."""
    if not words:
        return None
    if attributes > 1:
        raise UserError(f"--label says what one attribute is, and {attributes} are to be flipped: flip them one by one")
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
