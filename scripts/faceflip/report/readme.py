"""The page at the root of a run's results: what was run, what came out, and where everything is."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from faceflip.analysis.frames import adversarial, read_attempts, read_csv, wide
from faceflip.analysis.names import doubted_by
from faceflip.analysis.pages import markdown_text
from faceflip.analysis.run import RunDescription
from faceflip.analysis.tables.classification_error import MEAN, MEAN_ALL, RATES
from faceflip.io.files import read_json, write_text
from faceflip.wording import first_of, quantity
from faceflip.workflow.products import Product

Products = Mapping[str, Product]
MOST_NAMED = 100
"""So many attacked attributes are named."""
TABLE_LINK, FIGURE_LINK = "[{0}](tables/{0}.md)", "[{0}](figures/{0}.png)"


def write_readme(
    page: Path,
    run: RunDescription,
    tables: Products,
    figures: Products,
    manifest: Path,
    errors: Path,
    attempts: Path,
    warnings: Path,
) -> None:
    """Write the page as Markdown, on a run with the options of its attacks, and on its tables and figures by name.

    `manifest`, `errors`, `attempts` and `warnings` are the files of the dataset, of the table of errors, of the
    attempts, and of the table of warnings.
    """
    tables = {name: each for name, each in tables.items() if run.like_paper or not each.in_print}
    rows = ["| paper | tables | figures |", "| --- | --- | --- |", *_paper_rows(tables, figures)]
    by_paper = [
        "## Where each item of the paper is" if run.like_paper else "## By the paper's items",
        "\n".join(rows),
        "The folder `paper/` has them by the paper's names.",
    ]
    sections = [
        "# Results",
        markdown_text(run.line),
        "[index.html](index.html) shows all of this in a browser.",
        _list(facts(run, read_manifest(manifest))),
        "## In short",
        _list(read_headlines(run, errors, attempts, warnings)),
        *(by_paper if len(rows) > 2 else []),
        "Tables are there as CSV (every digit), Markdown, LaTeX and HTML, figures as PDF and PNG, each with its "
        "caption as text.",
        "## Beyond the paper",
        "\n".join(_other_items(tables, figures)),
        "## Data",
        "- `attempts.parquet`: one row an attempt\n"
        "- `predictions.parquet`: one row a score of a network on an image of the test split or a sample\n"
        "- `transfers.parquet`: one row an adversarial image on another network or output\n"
        + "- `between.parquet`: one row an adversarial image on another network that decides on its attribute\n"
        * ("transferability_between" in tables)
        + "- `scans.parquet`: line searches repeated with every whole epsilon\n"
        "- `dataset/labels.csv`: counts of labels\n"
        "- every table is computed from these, the training histories and what the stores warn of\n"
        "- `attacks/SAMPLE/NETWORK/CHECKPOINT/ATTACK.h5`: the perturbations; `faceflip inspect`, `show`, `export` read "
        "them\n"
        "- `networks/NETWORK/MEMBER/`: checkpoints and training histories\n"
        "- `dataset/manifest.json`: what was learned from and attacked\n"
        "- `benchmarks/`: time and memory of every job",
    ]
    write_text(page, "\n\n".join(sections) + "\n")


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a dataset."""
    return read_json(path)


def read_headlines(run: RunDescription, errors: Path, attempts: Path, warnings: Path) -> list[str]:
    """Return `headlines` of the tables in these files, the warnings last."""
    found = headlines(run, read_csv(errors), read_attempts(attempts, run))
    return [*found, *(f"Warning: {text}" for text in read_csv(warnings)["text"])]


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {markdown_text(line)}" for line in lines)


def facts(run: RunDescription, manifest: Mapping[str, Any]) -> list[str]:
    """Return what was run in more detail than the run's line."""
    lines = [
        f"Dataset: fingerprint {manifest['fingerprint'][:16]}, decoded by {manifest['decoder']}, seed {run.seed}"
        + "".join(f", {key} {seed}" for key, seed in run.seeds.items()),
        f"Attacked attributes: {first_of([name.replace('_', ' ') for name in run.attacked], MOST_NAMED)}",
    ]
    for network in run.networks:
        options, count = network.training, quantity(len(network.attributes), "attribute")
        what = f"Network {network.name}: {network.title}, {count}"
        if network.brought:
            lines.append(f"{what}; trained elsewhere, {network.architecture['name']}")
            continue
        lines.append(
            f"{what}; {options['batch_size']} images a batch, learning rate {options['learning_rate']:g}, "
            f"{options['min_epochs']} to {options['max_epochs']} epochs"
        )
    lines += _tunings(run)
    for name, options in run.attacks.items():
        options = {key: each for key, each in options.items() if key != "options"} | dict(options.get("options", {}))
        shown = (f"{key} {f'{value:g}' if isinstance(value, float) else value}" for key, value in options.items())
        lines.append(f"Attack {name}: {', '.join(shown)}")
    return lines


def _tunings(run: RunDescription) -> Iterator[str]:
    """Yield a line for each network that others were fine-tuned from."""
    sources = dict.fromkeys((each.source_group, each.checkpoint) for each in run.tunings)
    for source, checkpoint in sources:
        tuned = [each for each in run.tunings if (each.source_group, each.checkpoint) == (source, checkpoint)]
        made = {
            each.group: f"{each.group} ({each.diet}{f', {each.share:.0%} of a batch' if each.share else ''}, "
            f"{quantity(each.epochs, 'epoch')})"
            for each in tuned
        }
        seeds = [f"{seed}" for seed in dict.fromkeys(each.seed for each in tuned) if seed is not None]
        again = f"; seeds {', '.join(seeds)}" if seeds else ""
        yield f"Fine-tuned from {source}, {checkpoint}: {', '.join(made.values())}{again}"


def headlines(run: RunDescription, errors: pd.DataFrame, attempts: pd.DataFrame) -> list[str]:
    """Return the few numbers of the table of classification errors and the attempts table that say most about a run."""
    errors = errors[~errors["attribute"].isin([MEAN, MEAN_ALL])]
    by_attribute = wide(errors, "attribute", "method", "error")
    lines = []
    for network in run.networks:
        if network.name in by_attribute:
            both = by_attribute[[network.name, "trivial_train"]].dropna()
            rates = errors.loc[errors["method"] == network.name, list(RATES)].mean()
            balanced, missed, false = ("none" if math.isnan(rate) else f"{rate:.1%}" for rate in rates)
            lines.append(
                f"{network.title[0].upper()}{network.title[1:]}: {both[network.name].mean():.1%} classification error "
                f"on the test split, the mean over {quantity(len(both), 'attribute')}; "
                f"Trivial (the majority class) has {both['trivial_train'].mean():.1%}. Balanced error, the mean of "
                f"those of both classes: {balanced} (wrong are {missed} of images with an attribute and {false} of "
                "those without), where guessing has 50%"
            )
    if attempts.empty:
        return [*lines, "There are no attempts: no network is attacked, or no image of the sample has the labels"]
    hits, correct = adversarial(attempts, run.threshold), attempts["correct"]
    shares = [f"{part.mean():.1%}" if len(part) else "none" for part in (hits[correct], hits[~correct])]
    lines.append(
        f"{len(attempts):,} attempts, of which {attempts['flipped'].mean():.1%} flipped the decision; flipped with "
        f"PASS of at least {run.threshold:g}: {shares[0]} of the correctly classified, {shares[1]} of the "
        "misclassified (natural adversarial images)"
    )
    if run.doubt and not attempts.loc[~correct, "doubtful"].any():
        lines.append(
            f"None of the misclassified has a label in doubt ({doubted_by(run.doubt)}), which does not say that all of "
            "their labels are right"
        )
    elif run.doubt:
        wrong, doubtful = ~correct, attempts["doubtful"]
        shares = [
            f"{hits[those].mean():.1%}" if those.any() else "none" for those in (wrong & ~doubtful, wrong & doubtful)
        ]
        lines.append(
            f"Of the misclassified, {doubtful[wrong].mean():.1%} have a label in doubt ({doubted_by(run.doubt)}); "
            f"natural adversarial images are {shares[0]} of those with a firm label, {shares[1]} of those with a label "
            "in doubt. A wrong label looks like a natural adversarial image"
        )
    return lines


def _paper_rows(tables: Products, figures: Products) -> Iterator[str]:
    """Yield a row for each item of the paper, figures first, with all that is about it, and one for its numbers."""
    items = dict.fromkeys(each.paper for each in [*figures.values(), *tables.values()] if each.paper)
    for item in items:
        about = [name for name, each in figures.items() if each.paper == item]
        computed = [name for name, each in tables.items() if each.paper == item or (not each.paper and name in about)]
        title = next(each.title for each in [*figures.values(), *tables.values()] if each.paper == item)
        yield f"| {item}, {title} | {_links(TABLE_LINK, computed)} | {_links(FIGURE_LINK, about)} |"
    beside = [name for name, each in tables.items() if each.part == "Beside the paper" and not each.paper]
    words = "Numbers of the text, and all of them beside these" if len(beside) > 1 else "Numbers of the text"
    if beside:
        yield f"| {words} | {_links(TABLE_LINK, beside)} | |"


def _links(link: str, names: Sequence[str]) -> str:
    return ", ".join(map(link.format, names))


def _other_items(tables: Products, figures: Products) -> Iterator[str]:
    """Yield a line for each table and figure that is not about an item of the paper."""
    for name, each in tables.items():
        if not each.paper and name not in figures and each.part != "Beside the paper":
            yield f"- {each.title}: {TABLE_LINK.format(name)}"
    for name, each in figures.items():
        if not each.paper:
            yield f"- {each.title}: {FIGURE_LINK.format(name)}"
