"""`faceflip labels`: what CelebA's annotation and partition files say, or a table of your own."""

import math
import re
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceflip.cli.printing import print_table
from faceflip.data.celeba import SPLITS
from faceflip.data.table import PARQUET, SEPARATORS, is_table
from faceflip.errors import UserError
from faceflip.wording import printable, quantity

if TYPE_CHECKING:
    import pandas as pd

    from faceflip.data.contradictions import Contradiction


def labels(
    place: Annotated[
        Path, typer.Argument(metavar="FOLDER|TABLE", help="Folder or zip archive of CelebA, or a table of your own.")
    ],
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FILE",
            help="Write the table of attributes, unrounded. With --contradictions, the labels that take part in one, "
            "but for those of soft rules: file_name, attribute, label, rule.",
        ),
    ] = None,
    correlations: Annotated[int, typer.Option(min=0, help="So many of the strongest correlations are shown.")] = 10,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            metavar="NAME",
            help="A column of the table that is an attribute; once for each.",
            show_default="all",
        ),
    ] = None,
    splits: Annotated[
        Path | None,
        typer.Option("--splits", metavar="FILE", help="Another file that says the split of each image of the table."),
    ] = None,
    split_shares: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="TRAIN VALIDATION TEST",
            help="Make the splits anew by these shares, as dataset.split_shares does.",
            show_default=False,
        ),
    ] = None,
    contradictions: Annotated[
        bool, typer.Option("--contradictions", help="Instead, count the images whose labels contradict each other.")
    ] = False,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            metavar="FILE",
            help="CSV file that says which labels contradict each other: rule, present, some, at_least, absent, soft.",
            show_default="those of the package, about CelebA's attributes",
        ),
    ] = None,
    examples: Annotated[
        int | None, typer.Option(min=0, help="So many images are shown for each rule.", show_default="3")
    ] = None,
) -> None:
    """Summarise the labels of CelebA or of a table, without images or networks.

    Images per split, prevalence of each attribute, the errors on the test split of always answering with the majority
    class, and the strongest correlations of attributes on the training split. Unknown labels count nowhere.

    With --contradictions, the images on which labels contradict each other, such as several hair colours, rule by rule
    and with the first ones by name. Either label may be the wrong one, so --csv writes both, as networks.NAME.doubts of
    a configuration takes them.

    Example: faceflip labels data/celeba --csv labels.csv

    Example: faceflip labels data/celeba --contradictions --csv doubts.csv
    """
    from faceflip.analysis.label_statistics import (
        contradicting_labels,
        contradiction_counts,
        label_correlations,
        label_statistics,
    )
    from faceflip.data.celeba.splits import fault_of_shares
    from faceflip.io.files import replacing

    if split_shares and (fault := fault_of_shares(split_shares)):
        raise UserError(f"--split-shares: {fault}")
    if not is_table(place) and (columns or splits):
        raise UserError(f"{place}: --columns and --splits are of a table, {', '.join([*SEPARATORS, PARQUET])}")
    if not contradictions and (rules or examples is not None):
        raise UserError("--rules and --examples go with --contradictions")
    try:
        read = _table(place, columns, splits, split_shares) if is_table(place) else _celeba(place, split_shares)
    except UserError as error:
        raise UserError(_by_options(str(error))) from error
    notes, table, attributes = read
    if contradictions:
        known = _rules(place, rules, attributes)
        soft = {rule.name for rule in known if rule.soft}
        labelled = contradicting_labels(table, known, attributes)
        written = labelled[~labelled["rule"].isin(soft)]
    else:
        written = label_statistics(table, attributes)
    if csv:
        with replacing(csv) as beside:
            written.to_csv(beside, index=False, lineterminator="\n")

    for note in notes:
        typer.echo(printable(note))
    counts = table["split"].value_counts().reindex(list(SPLITS), fill_value=0)
    typer.echo(f"{counts.sum():,} images: " + ", ".join(f"{counts[split]:,} {split}" for split in SPLITS))
    if contradictions:
        _print_contradictions(contradiction_counts(table, known, attributes), written, soft)
        _print_examples(labelled, soft, 3 if examples is None else examples)
    else:
        _print_statistics(written)
        if correlations:
            _print_correlations(label_correlations(table, attributes=attributes).head(correlations))
    if csv:
        typer.echo(printable(f"wrote {csv}"))


def _print_statistics(statistics: "pd.DataFrame") -> None:
    """Print prevalences and errors of the majority class, as of `label_statistics`."""
    from faceflip.analysis.label_statistics import MEAN

    typer.echo(
        "\nPercent of images with each attribute, and errors on the test split of always answering with the\n"
        "majority class, that of the training split and that of the test split. Balanced, the mean of the\n"
        "errors of the two classes, they are 50 where there are both; such an error rests on the images of\n"
        "the rarer class in the test split:"
    )
    shares = [*(f"prevalence_{split}" for split in SPLITS), "trivial_train", "trivial_test"]
    print_table(
        {"attribute": "word", **dict.fromkeys((*SPLITS, "error:\ntrain", "error:\ntest", "rarer:\ntest"), "number")},
        [
            (
                row["attribute"],
                *("-" if math.isnan(row[name]) else f"{100 * row[name]:.2f}" for name in shares),
                "" if row["attribute"] == MEAN else f"{row['rarer_test']:,}",
            )
            for row in statistics.to_dict("records")
        ],
        bold=(MEAN,),
    )


def _print_correlations(correlations: "pd.DataFrame") -> None:
    """Print pairs of attributes, as of `label_correlations`."""
    typer.echo("\nStrongest correlations (phi) on the training split:")
    print_table(
        {"attribute": "word", "with": "word", "phi": "number"},
        [(first, second, f"{phi:+.3f}") for first, second, phi in correlations.itertuples(index=False)],
    )


def _rules(place: Path, file: Path | None, attributes: Sequence[str]) -> "tuple[Contradiction, ...]":
    from faceflip.data.contradictions import read_contradictions

    if found := read_contradictions(file, attributes):
        return found
    raise UserError(
        f"{place}: no rule of the package is about its attributes; write rules about them into a CSV file (its form is "
        "in docs/guides/celeba.md, Labels that contradict each other) and name it in --rules"
    )


def _print_contradictions(counts: "pd.DataFrame", firm: "pd.DataFrame", soft: Container[str]) -> None:
    """Print how many images break each rule, as of `contradiction_counts`, and how many labels break `firm` ones."""
    typer.echo("\nImages on which labels contradict each other; indented, those of them that have this attribute:")
    print_table(
        {"rule": "word", **dict.fromkeys(("images", "percent", *SPLITS), "number")},
        [
            (
                f"  {row['attribute']}" if row["attribute"] else _marked(row["rule"], soft),
                f"{row['images']:,}",
                f"{100 * row['share']:.3f}",
                *(f"{row[f'images_{split}']:,}" for split in SPLITS),
            )
            for row in counts.to_dict("records")
        ],
        bold={_marked(name, soft) for name in counts["rule"]},
    )
    told = f"{quantity(len(firm.drop_duplicates(['file_name', 'attribute'])), 'label')} on "
    told += quantity(firm["file_name"].nunique(), "image")
    typer.echo(f"\nIn doubt: {told}. Soft rules are arguable and put nothing in doubt.")


def _print_examples(labelled: "pd.DataFrame", soft: Container[str], most: int) -> None:
    """Print the first images that break each rule, with their labels, as of `contradicting_labels`."""
    shown = [
        (_marked(rule, soft), file, ", ".join("not " * (label < 0) + name for name, label in labels))
        for rule, of_rule in labelled.groupby("rule", sort=False)
        for file in of_rule["file_name"].unique()[:most]
        for labels in [of_rule.loc[of_rule["file_name"] == file, ["attribute", "label"]].itertuples(index=False)]
    ]
    if shown:
        typer.echo("\nThe first of them:")
        print_table({"rule": "word", "image": "path", "labels": "path"}, shown)


def _marked(rule: str, soft: Container[str]) -> str:
    return f"{rule} (soft)" if rule in soft else rule


Read = tuple[list[str], "pd.DataFrame", tuple[str, ...]]
"""What to say of the files, the table of splits and labels, and its attributes."""


def _by_options(message: str) -> str:
    """Return a message about keys of the configuration as one about the options of this command."""
    message = re.sub(
        r"(?<![\w/])dataset\.(columns|splits|split_shares)(?!\.?\w)",
        lambda key: f"--{key[1].replace('_', '-')}",
        message,
    )
    return message.replace("[0.8, 0.1, 0.1]", "0.8 0.1 0.1")


def _celeba(folder: Path, split_shares: Sequence[float] | None) -> Read:
    from faceflip.data.celeba import ATTRIBUTES, official
    from faceflip.data.celeba.finding import find
    from faceflip.data.celeba.labels import read_labels

    layout = find(folder, images=False)
    layout.require(images=False, partition=split_shares is None)
    verdicts = official.check([place for place in (layout.annotations, layout.partition) if place])
    read = read_labels(layout, split_shares=split_shares)
    told = [verdict.warning() or f"{verdict.name} is the official file" for verdict in verdicts]
    return [*told, *(f"Note: {note}" for note in read.notes)], read.table, ATTRIBUTES


def _table(
    path: Path, columns: Sequence[str] | None, splits: Path | None, split_shares: Sequence[float] | None
) -> Read:
    from faceflip.data.table import LabelTable

    read = LabelTable(path, columns=columns or None, splits=splits, split_shares=split_shares)
    return [f"Note: {note}" for note in read.origin()["notes"]], read.table, read.attributes
