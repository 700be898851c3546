"""Commands on perturbation stores: inspect, show, check, export, diff."""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceflip.cli.printing import console, print_table
from faceflip.errors import UserError
from faceflip.io.paths import DATASET, RESULTS, RUN, folder_of
from faceflip.wording import printable, quantity, similarity

if TYPE_CHECKING:
    from faceflip.data.packed import Dataset
    from faceflip.store import Store

WITHIN_RESULTS = Path(DATASET).relative_to(RESULTS)
"""Where a run keeps its packed dataset, seen from the folder of its results, whatever that is called now."""
RUN_DESCRIPTION = Path(RUN).relative_to(RESULTS)
"""Where it keeps its description."""

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
        help=f"The packed dataset that was attacked. Without it, {WITHIN_RESULTS} of the results folder around FILE.",
        show_default=False,
    ),
]


ExportFormat = StrEnum("ExportFormat", "PNG NPZ PARQUET CSV")
"""What `faceflip export` writes."""


def inspect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Shards or joined views.", show_default=False)],
    as_json: JsonFlag = False,
) -> None:
    """Describe stores: how they were made, outcomes by attribute, epsilon and PASS, sizes.

    PASS needs the scores beside the store (results/scores/... for results/attacks/...).

    Example: faceflip inspect results/attacks/paper/euclidean/converged/ffa-line.h5
    """
    from faceflip.store import open_store
    from faceflip.store.summary import summarise

    summaries = []
    for file in files:
        with open_store(file) as store:
            summaries.append(summarise(store))
    if as_json:
        _print_json(summaries)
    else:
        for summary in summaries:
            _print_summary(summary)


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

    Example: faceflip show results/attacks/paper/euclidean/converged/ffa-line.h5 --attribute Smiling --best 6
    """
    from faceflip.io.files import replacing
    from faceflip.store import open_store
    from faceflip.store.panels import best_rows, draw_sheet
    from faceflip.store.terminal import picture_escape

    output = output or Path("-".join([file.stem, *map(folder_of, attribute or [])]) + ".png")
    _require_suffix(output, ".png")
    with open_store(file) as store:
        images = _dataset_of(store, dataset).images
        for number in row or ():
            if not 0 <= number < len(store):
                raise UserError(f"--row {number}: {file} has the attempts 0 to {len(store) - 1}")
        rows = row or best_rows(store, best, attribute)
        sheet = draw_sheet(store, rows, images)
    with replacing(output) as beside:
        sheet.save(beside, "PNG")
    if sys.stdout.isatty():
        sys.stdout.write(picture_escape(output.read_bytes()) or "")
    _tell(f"wrote {output}: attempts {', '.join(str(number) for number in rows)}")


def check(
    path: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="A run's results, a part of them, or stores.")],
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", "-d", help="Compare with the packed dataset: fingerprint, file names, labels."),
    ] = None,
    networks: Annotated[
        Path | None, typer.Option(help="Compare with the checkpoints below this folder, such as results/networks.")
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Decode every perturbation, too (minutes for a full run).")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check results byte by byte, and name the commands that repair what is missing or damaged.

    Every file of a finished run is compared with the run's inventories, but for those on how long jobs took.
    Stores, also those of an unfinished run, are compared with their seals and with the rules of the format, and the
    scores beside them with the stores.

    Exit status: 0 when all is well, 1 when something is wrong, 2 when the files could not be checked.

    Example: faceflip check results
    """
    from faceflip.data.packed import open_dataset
    from faceflip.io.inventory import SNAKEMAKE, find_damage, repair, results_folder
    from faceflip.store.check import Findings, may_be_store
    from faceflip.store.check import check as check_stores
    from faceflip.store.remedies import target
    from faceflip.workflow.code import note_on_code

    try:
        holds_stores = path.is_dir() or may_be_store(path)
    except FileNotFoundError:
        holds_stores = path.suffix == ".h5"
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})") from None
    attacked = open_dataset(dataset) if dataset else None
    report = check_stores(path, attacked, networks, deep) if holds_stores else Findings()
    damage, compared = find_damage(path)
    if not (holds_stores or compared):
        raise UserError(f"{path}: {_why_not_covered(path)}")
    if path.is_dir() and results_folder(path) is None and target(path):
        only = f"no inventory of the run is there, so only stores were looked at; to take it: {SNAKEMAKE}"
        report.add(path, f"{path}: {only}", note=True)
    if results := results_folder(path):
        run = _as_given(results / RUN_DESCRIPTION, path)
        if note := note_on_code(run):
            report.add(run, note, note=True)
    told = {Path(os.path.realpath(fault.path)) for fault in report.faults}  # of links that go round, too
    for each in damage:
        if each.path not in told:
            shown = _as_given(each.path, path)
            report.add(shown, f"{shown}: {each.problem}")
    left_out = _left_out(path, report.checked)
    commands = list(repair((each.target, each.rule) for each in damage))
    if as_json:
        result = {
            "sound": report.sound,
            "checked": [str(file) for file in report.checked],
            "compared": compared,
            "not_covered": left_out,
            "faults": [{"file": str(each.path), "message": each.message, "note": each.note} for each in report.faults],
            "repair": commands,
        }
        _print_json(result)
    else:
        for fault in report.faults:
            _tell(f"{'note' if fault.note else 'FAULT'}: {fault.message}")
        wrong = sum(not fault.note for fault in report.faults)
        inventoried = f"{quantity(compared, 'file')} compared with the run's inventories, " if compared else ""
        _tell(f"{quantity(len(report.checked), 'store')} checked, {inventoried}{quantity(wrong, 'fault')}")
        if left_out:
            _tell(f"not in the inventories, and not looked at: {', '.join(left_out)}")
        if commands:
            _tell("Repair by these commands, with --configfile and --directory as the run had them:")
            _tell("\n".join(f"  {command}" for command in commands))
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

    png: the adversarial images, lossless, with a table of them. npz: perturbations and columns, and the adversarial
    images where the dataset is found. parquet, csv: the table of all attempts.

    Example: faceflip export results/attacks/paper/euclidean/converged/ffa-line.h5 --to png -a Smiling -o smiling
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
            _require_suffix(output, f".{to.value}")
            if to is ExportFormat.NPZ:
                images = _dataset_of(store, dataset).images if dataset or _dataset_around(store) else None
                count = export_npz(store, rows, output, images)
            else:
                count = export_table(store, rows, output)
    _tell(f"wrote {output}: {quantity(count, 'attempt')}")


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A shard or a joined view.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    as_json: JsonFlag = False,
) -> None:
    """Compare two stores attempt by attempt: headers, outcomes, epsilon, perturbations.

    Exit status: 0 when all attempts and their results are the same, 1 when not, 2 when a store cannot be read.

    Example: faceflip diff old.h5 results/attacks/paper/moon/converged/ffa-line.h5
    """
    from faceflip.store import open_store
    from faceflip.store.difference import compare

    with open_store(a) as store_a, open_store(b) as store_b:
        difference = compare(store_a, store_b)
    if as_json:
        _print_json(difference)
    else:
        for name, (left, right) in difference.pop("header").items():
            _tell(f"header {name}: {left} | {right}")
        for name, value in difference.items():
            _tell(f"{name.replace('_', ' ')}: {value}")
    if not difference["same"]:
        raise typer.Exit(1)


def _why_not_covered(path: Path) -> str:
    """Say why a file or folder cannot be compared with inventories."""
    from faceflip.io.inventory import SNAKEMAKE, results_folder

    if not path.exists():
        return "no such file or folder"
    if results_folder(path):
        return "is no perturbation store, and the run's inventories leave it out: there is nothing to compare it with"
    return f"is no perturbation store, and there is no inventory to compare it with; a run ends with it: {SNAKEMAKE}"


def _as_given(file: Path, path: Path) -> Path:
    """Name a file as the one given on the command line was, whether relative or absolute."""
    if file.is_relative_to(path.resolve()):
        return path / file.relative_to(path.resolve())
    return file if path.is_absolute() else Path(os.path.relpath(file))


def _left_out(path: Path, checked: list[Path]) -> list[str]:
    """Return the files and folders right below a folder with files that nothing was compared with."""
    from faceflip.io.inventory import uncovered

    files = [file.relative_to(path) for file in uncovered(path) if file not in checked] if path.is_dir() else []
    return list(dict.fromkeys(f"{path / file.parts[0]}{'/' if len(file.parts) > 1 else ''}" for file in files))


def _tell(text: str) -> None:
    """Print text that has names of files in it, or what was read from them."""
    typer.echo(printable(text))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=dict))


def _print_summary(summary: dict[str, Any]) -> None:
    header, sizes = summary["header"], summary["sizes"]
    size = f"{sizes['bytes']:,} bytes, {sizes['compression']}"
    if flipped := summary["flipped"]:
        share = sizes["share_of_raw_8_bit"]
        size += f"; {sizes['bytes_per_flipped_attempt']:,.0f} a perturbation, {share:.2f} of raw 8-bit images"
    scored = summary["scored"]
    part = f"  (of {scored:,} of {flipped:,} flipped attempts: the others are not scored)"
    epsilon = "steps" if summary["iterative"] else "epsilon"
    extent = quantity(len(summary["shards"]), "joined shard") if summary["shards"] else f"shard {header['shard']}"
    lines = {
        "what": f"{header['attack']} on {header['network']} ({header['checkpoint']}), {extent}",
        "sample": header["sample"],
        "format": f"version {summary['version']}",
        "attempts": f"{summary['attempts']:,} from attempt {header['first_attempt']:,}, "
        f"images of {summary['image']['width']} x {summary['image']['height']}",
        "parameters": json.dumps(header["parameters"], ensure_ascii=False),
        "seed": header["seed"],
        "dataset": header["dataset_fingerprint"],
        "checkpoints": ", ".join(f"{name} {digest[:12]}" for name, digest in header["checkpoint_sha256"].items()),
        "margins": ", ".join(f"{name} {margin:.3g}" for name, margin in header["margins"].items())
        or "not recorded here",
        "suspicious": "\n              ".join(
            f"{name}: {sentence}" for name, sentences in header["warnings"].items() for sentence in sentences
        ),
        "software": ", ".join(f"{name} {version}" for name, version in summary["software"].items()),
        "size": size,
        epsilon: _quantile_line("epsilon", summary["epsilon"]),
        "PASS": _quantile_line("pass", summary["pass"]) + (part if 0 < scored < flipped else ""),
    }
    console().print(printable(summary["file"]), style="bold")
    if not header["warnings"]:
        del lines["suspicious"]
    for name, value in lines.items():
        _tell(f"  {name:<12}{value}")
    outcomes = summary["outcomes"]
    names = [name for name in next(iter(outcomes.values())) if any(row[name] for row in outcomes.values())]
    headings = [name.replace("epsilon", epsilon).replace("_", "\n") for name in names]
    print_table(
        {"attribute": "word", **dict.fromkeys(headings, "number")},
        [(attribute, *(_cell(name, row[name]) for name in names)) for attribute, row in outcomes.items()],
    )


def _quantile_line(name: str, quantiles: dict[str, float] | None) -> str:
    if quantiles is None:
        return "none"
    return "  ".join(f"{float(probability):.0%} {_cell(name, value)}" for probability, value in quantiles.items())


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name in ("pass", "median_pass"):
        return similarity(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _require_suffix(output: Path, suffix: str) -> None:
    if output.suffix != suffix:
        raise UserError(f"--output {output}: expected a name that ends in {suffix}")


def _dataset_around(store: "Store") -> Path | None:
    """Return the dataset of the results folder around a store, if there is one."""
    places = (folder / WITHIN_RESULTS for folder in store.path.absolute().parents)
    return next((path for path in places if path.exists()), None)


def _dataset_of(store: "Store", given: Path | None) -> "Dataset":
    """Open the dataset that was attacked: the given one, else that of the results folder around the store."""
    from faceflip.data.packed import open_dataset

    path = given or _dataset_around(store)
    if path is None:
        raise UserError(f"{store.path}: no {WITHIN_RESULTS} in the folders around it; name the dataset by --dataset")
    dataset = open_dataset(path)
    store.require_dataset(dataset.fingerprint)
    return dataset
