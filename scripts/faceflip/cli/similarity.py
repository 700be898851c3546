"""`faceflip pass`: score one perturbed image against its original."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from faceflip.cli.images import read_image
from faceflip.cli.printing import print_table
from faceflip.errors import UserError


def _print(record: dict[str, Any]) -> None:
    def number(name: str) -> str:
        return "undefined" if record[name] is None else f"{record[name]:.6f}"

    print_table(
        {"": "word", "colour": "number", "grey": "number"},
        [
            ("PASS", number("pass"), number("pass_gray")),
            ("SSIM without alignment", number("ssim"), number("ssim_gray")),
        ],
    )
    typer.echo(f"alignment {record['alignment']} after {record['iterations']} steps, correlation {number('ecc')}")
    typer.echo("warp, from places (x, y, 1) in A to those in B:")
    for row in record["warp"]:
        typer.echo("".join(f"{value:>13.6g}" for value in row))


def pass_(
    original: Annotated[Path, typer.Argument(metavar="A.png", help="The original image.")],
    perturbed: Annotated[Path, typer.Argument(metavar="B.png", help="The perturbed image, of the same size.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, with the definition.")] = False,
) -> None:
    """Print PASS, the perceptual adversarial similarity score, of image B against image A."""
    from faceflip.similarity import parameters, pass_scores

    a, b = read_image(original), read_image(perturbed)
    if a.shape != b.shape:
        raise UserError(
            f"{original} is {a.shape[1]} x {a.shape[0]} pixels and {perturbed} is {b.shape[1]} x {b.shape[0]}: "
            "PASS compares images of one size"
        )
    try:
        scores = pass_scores(a[None], b[None])
    except ValueError as fault:
        raise UserError(f"{original}: {fault}") from None
    record = {}
    for name, values in scores.columns():
        value = values[0].item() if hasattr(values[0], "item") else values[0]
        record[name] = None if value != value else value  # NaN
    record["warp"] = scores.warp[0].tolist()
    if as_json:
        typer.echo(json.dumps({**record, "definition": parameters()}, indent=2))
    else:
        _print(record)
