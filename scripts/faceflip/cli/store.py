"""Commands on perturbation stores: inspect, show, check, export, diff."""

import io
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceflip.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from faceflip.dataset import Dataset
    from faceflip.store import Store

DATASET = Path("dataset", "celeba.h5")
"""Where a run keeps its packed dataset, seen from `results`."""

StorePath = Annotated[Path, typer.Argument(metavar="FILE", help="A shard or a joined view.", show_default=False)]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Attribute = Annotated[
    list[str] | None, typer.Option("--attribute", "-a", help="Only these attributes; may be given several times.")
]
DatasetPath = Annotated[
    Path | None,
    typer.Option(
        "--dataset",
        "-d",
        help="The packed dataset that was attacked. Without it, dataset/celeba.h5 of the results folder around FILE.",
        show_default=False,
    ),
]


class ExportFormat(StrEnum):
    """What `faceflip export` writes."""

    PNG = "png"
    NPZ = "npz"
    PARQUET = "parquet"
    CSV = "csv"


def inspect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Shards or joined views.", show_default=False)],
    as_json: JsonFlag = False,
) -> None:
    """Tell what stores are: how they were made, outcomes by attribute, epsilon and PASS, sizes.

    PASS needs the scores beside the store (results/scores/... for results/attacks/...).

    Example: faceflip inspect results/attacks/euclidean/converged/ffa-line.h5
    """
    from faceflip.store import open_store
    from faceflip.store.summary import summarise

    summaries = []
    for file in files:
        with open_store(file) as store:
            summaries.append(summarise(store))
    if as_json:
        _print_json(summaries)
        return
    console = _console()
    for summary in summaries:
        _print_summary(console, summary)


def show(
    file: StorePath,
    attribute: Attribute = None,
    best: Annotated[int, typer.Option(min=1, help="How many: highest PASS, without scores smallest epsilon.")] = 6,
    row: Annotated[list[int] | None, typer.Option("--row", help="These attempts instead of the best ones.")] = None,
    dataset: DatasetPath = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The PNG to write; by default named after FILE.")
    ] = None,
) -> None:
    """Draw attempts as PNG: original, perturbation times 10 around grey, adversarial image.

    Terminals that can show pictures (kitty, Ghostty, iTerm2, WezTerm) show it, too.

    Example: faceflip show results/attacks/euclidean/converged/ffa-line.h5 --attribute Smiling --best 6
    """
    from faceflip.files import replacing
    from faceflip.store import open_store
    from faceflip.store.panels import best_rows, draw_sheet
    from faceflip.store.terminal import picture_escape

    with open_store(file) as store:
        images = _dataset_of(store, dataset).images
        _require_rows(store, row)
        rows = row or best_rows(store, best, attribute)
        sheet = draw_sheet(store, rows, images)
    picture = io.BytesIO()
    sheet.save(picture, "PNG")
    output = output or Path("-".join([file.stem, *(attribute or [])]) + ".png")
    with replacing(output) as beside:
        beside.write_bytes(picture.getbuffer())
    escape = picture_escape(picture.getvalue()) if sys.stdout.isatty() else None
    if escape:
        sys.stdout.write(escape)
    typer.echo(f"wrote {output}: attempts {', '.join(str(number) for number in rows)}")


def check(
    path: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="A run's results, a part of them, or stores.")],
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", "-d", help="Compare with the packed dataset: fingerprint, file names, labels."),
    ] = None,
    networks: Annotated[
        Path | None,
        typer.Option(help="Compare with the checkpoints below this folder, such as results/networks."),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Decode every perturbation, too (minutes for a full run).")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check results byte by byte, and name the commands that repair what is missing or damaged.

    Every file of a finished run is compared with the run's inventories. Stores, also those of an unfinished run, are
    compared with their seals and with the rules of the format.

    Exit status: 0 when all is well, 1 when something is wrong.

    Example: faceflip check results
    """
    from faceflip.dataset import open_dataset
    from faceflip.inventory import find_damage, repair
    from faceflip.store.check import Report, may_be_store
    from faceflip.store.check import check as check_stores

    damage, compared = find_damage(path)
    known_to_be_no_store = compared and not path.is_dir() and not (path.exists() and may_be_store(path))
    report = (
        Report()
        if known_to_be_no_store
        else check_stores(path, open_dataset(dataset) if dataset else None, networks, deep)
    )
    told = {fault.path.absolute() for fault in report.faults}
    for each in damage:
        if each.path.absolute() not in told:
            report.add(each.path, f"{each.path}: {each.problem}")
    commands = list(repair((each.target, each.rule) for each in damage))
    if as_json:
        faults = [{"file": str(fault.path), "message": fault.message, "note": fault.note} for fault in report.faults]
        checked = [str(file) for file in report.checked]
        _print_json(
            {"sound": report.sound, "checked": checked, "compared": compared, "faults": faults, "repair": commands}
        )
    else:
        for fault in report.faults:
            typer.echo(f"{'note' if fault.note else 'FAULT'}: {fault.message}")
        wrong = sum(not fault.note for fault in report.faults)
        inventoried = f"{_count(compared, 'file')} compared with the run's inventories, " if compared else ""
        typer.echo(f"{_count(len(report.checked), 'store')} checked, {inventoried}{_count(wrong, 'fault')}")
        if commands:
            typer.echo("Repair by these commands, with --configfile and --directory as the run had them:")
            for command in commands:
                typer.echo(f"  {command}")
    if not report.sound:
        raise typer.Exit(1)


def export(
    file: StorePath,
    to: Annotated[ExportFormat, typer.Option("--to", help="What to write.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File, or for png a new folder; by default named after FILE.")
    ] = None,
    attribute: Attribute = None,
    dataset: DatasetPath = None,
) -> None:
    """Export attempts for other programs.

    png: the adversarial images, lossless, with a table of them. npz: perturbations and columns, and with --dataset the
    adversarial images. parquet, csv: the table of all attempts.

    Example: faceflip export results/attacks/euclidean/converged/ffa-line.h5 --to png --attribute Smiling -o smiling
    """
    from faceflip.store import open_store
    from faceflip.store.export import export_npz, export_png, export_table

    with open_store(file) as store:
        rows = store.select(attribute=attribute)
        if to is ExportFormat.PNG:
            output = output or Path(file.stem)
            count = export_png(store, rows, _dataset_of(store, dataset).images, output)
        else:
            output = output or Path(f"{file.stem}.{to.value}")
            if output.suffix != f".{to.value}":
                raise UserError(f"--output {output}: expected a name that ends in .{to.value}")
            if to is ExportFormat.NPZ:
                images = _dataset_of(store, dataset).images if dataset else None
                count = export_npz(store, rows, output, images)
            else:
                count = export_table(store, rows, output)
    typer.echo(f"wrote {output}: {count} attempts")


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A shard or a joined view.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    as_json: JsonFlag = False,
) -> None:
    """Compare two stores attempt by attempt: headers, outcomes, epsilon, perturbations.

    Exit status: 0 when all attempts and their results are the same, 1 otherwise.

    Example: faceflip diff old/results/attacks/moon/converged/ffa-line.h5 results/attacks/moon/converged/ffa-line.h5
    """
    from faceflip.store import open_store
    from faceflip.store.difference import compare

    with open_store(a) as store_a, open_store(b) as store_b:
        difference = compare(store_a, store_b)
    if as_json:
        _print_json(difference)
    else:
        _print_difference(difference)
    if not difference["same"]:
        raise typer.Exit(1)


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'s' if number != 1 else ''}"


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=dict))


def _print_difference(difference: dict[str, Any]) -> None:
    for name, (left, right) in difference.pop("header").items():
        typer.echo(f"header {name}: {left} | {right}")
    for name, value in difference.items():
        typer.echo(f"{name.replace('_', ' ')}: {value}")


def _print_summary(console: "Console", summary: dict[str, Any]) -> None:
    from rich.table import Table

    header, sizes = summary["header"], summary["sizes"]
    extent = f"{len(summary['shards'])} joined shards" if summary["shards"] else f"shard {header['shard']}"
    lines = {
        "what": f"{header['attack']} on {header['network']} ({header['checkpoint']}), {extent}",
        "format": f"version {summary['version']}",
        "attempts": f"{summary['attempts']:,} from attempt {header['first_attempt']:,}, "
        f"images of {summary['image']['width']} x {summary['image']['height']}",
        "parameters": json.dumps(header["parameters"], ensure_ascii=False),
        "seed": header["seed"],
        "dataset": header["dataset_fingerprint"],
        "checkpoints": ", ".join(f"{name} {digest[:12]}" for name, digest in header["checkpoint_sha256"].items()),
        "margins": ", ".join(f"{name} {margin:.3g}" for name, margin in header["margins"].items())
        or "not recorded here",
        "software": ", ".join(f"{name} {version}" for name, version in summary["software"].items()),
        "size": _size_line(sizes),
        "epsilon": _quantile_line(summary["epsilon"]),
        "PASS": _quantile_line(summary["pass"]) + _part_of(summary["scored"], summary["flipped"]),
    }
    console.print(f"[bold]{summary['file']}[/bold]", soft_wrap=True)
    for name, value in lines.items():
        console.print(f"  {name:<12}{value}", markup=False, soft_wrap=True)
    outcomes = summary["outcomes"]
    names = [name for name in next(iter(outcomes.values())) if any(row[name] for row in outcomes.values())]
    table = Table("attribute", box=None, pad_edge=False)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for attribute, row in outcomes.items():
        table.add_row(attribute, *(_cell(row[name]) for name in names))
    console.print(table)


def _size_line(sizes: dict[str, Any]) -> str:
    line = f"{sizes['bytes']:,} bytes, {sizes['compression']}"
    if sizes["bytes_per_flipped_attempt"] is None:
        return line
    share = sizes["share_of_raw_8_bit"]
    return f"{line}; {sizes['bytes_per_flipped_attempt']:,.0f} a perturbation, {share:.2f} of raw 8-bit images"


def _quantile_line(quantiles: dict[str, float] | None) -> str:
    if quantiles is None:
        return "none"
    return "  ".join(f"{float(probability):.0%} {value:.4g}" for probability, value in quantiles.items())


def _part_of(scored: int, flipped: int) -> str:
    """Say on how many attempts numbers rest, where some shards have no scores yet."""
    if not 0 < scored < flipped:
        return ""
    return f"  (of {scored:,} of {flipped:,} flipped attempts: the others are not scored)"


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _require_rows(store: "Store", rows: list[int] | None) -> None:
    for row in rows or ():
        if not 0 <= row < len(store):
            raise UserError(f"--row {row}: {store.path} has the attempts 0 to {len(store) - 1}")


def _dataset_of(store: "Store", given: Path | None) -> "Dataset":
    """Open the dataset that was attacked: the given one, else that of the results folder around the store."""
    from faceflip.dataset import open_dataset

    path = given
    for folder in store.path.absolute().parents if given is None else ():
        if (folder / DATASET).exists():
            path = folder / DATASET
            break
    if path is None:
        raise UserError(f"{store.path}: no {DATASET} in the folders around it; name the dataset by --dataset")
    dataset = open_dataset(path)
    store.require_dataset(dataset.fingerprint)
    return dataset
