"""The page at the root of a run's results: what was run, what came out, and where everything is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from faceflip.analysis.make import TABLES
from faceflip.analysis.names import NETWORK_NAMES
from faceflip.analysis.run import RunDescription
from faceflip.data.celeba import ATTRIBUTES
from faceflip.figures.make import FIGURES

if TYPE_CHECKING:
    import pandas as pd

PAPER_ITEMS = (
    ("Fig. 1, adversarial images", (), ("figure1",)),
    ("Fig. 2, classification error", ("classification_error",), ("figure2",)),
    ("Fig. 3, adversarial success per attribute", ("success",), ("figure3",)),
    ("Fig. 4, portability across separate networks", ("portability",), ("figure4",)),
    ("Fig. 5, correlation of attributes on MOON", ("correlation",), ("figure5",)),
    ("Table 1, flipped attributes by PASS", ("table1",), ()),
    ("Table 2, two epochs and converged", ("table2",), ()),
    ("Numbers of the text", ("statistics",), ()),
    ("All numbers of the paper beside these", ("paper_comparison",), ()),
)


def results_page(
    run: RunDescription,
    manifest: Mapping[str, Any],
    attacks: Mapping[str, Mapping[str, Any]],
    errors: "pd.DataFrame",
    attempts: "pd.DataFrame",
) -> str:
    """Write the page as Markdown.

    Args:
        run: What was run.
        manifest: Of the dataset.
        attacks: Options of each attack.
        errors: The table of classification errors: columns method, attribute, error (a fraction), ...
        attempts: The attempts table.
    """
    sections = [
        "# Results",
        run.line,
        "[index.html](index.html) shows all of this in a browser.",
        _list(facts(run, manifest, attacks)),
        "## In short",
        _list(headlines(run, errors, attempts)),
        "## Where each item of the paper is",
        "| paper | tables | figures |\n| --- | --- | --- |\n" + "\n".join(map(_paper_row, PAPER_ITEMS)),
        "Tables are there as CSV (every digit), Markdown, LaTeX and HTML, figures as PDF and PNG, each with its "
        "caption as text.",
        "## Beyond the paper",
        "\n".join(_other_items()),
        "## Data",
        "- `attempts.parquet`: one row an attempt\n"
        "- `predictions.parquet`: one row a score of a network on an image of the test split or the sample\n"
        "- `transfers.parquet`: one row an adversarial image on another network\n"
        "- `scans.parquet`: line searches repeated with every whole epsilon\n"
        "- `dataset/labels.csv`: counts of labels\n"
        "- every table is computed from these five, and nothing else\n"
        "- `attacks/NETWORK/CHECKPOINT/ATTACK.h5`: the perturbations; `faceflip inspect`, `show`, `export` read them\n"
        "- `networks/`: checkpoints and training histories\n"
        "- `dataset/manifest.json`: what was learned from and attacked\n"
        "- `benchmarks/`: time and memory of every job",
    ]
    return "\n\n".join(sections) + "\n"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def facts(run: RunDescription, manifest: Mapping[str, Any], attacks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what was run in more detail than the run's line; arguments as `results_page`."""
    training = [
        f"{name} {options['batch_size']} images a batch, learning rate {options['learning_rate']:g}, "
        f"{options['early_epoch']} to {options['max_epochs']} epochs"
        for name, options in (("separate networks", run.training["separate"]), ("MOON", run.training["moon"]))
    ]
    lines = [
        f"Dataset: fingerprint {manifest['fingerprint'][:16]}, decoded by {manifest['decoder']}, seed {run.seed}",
        f"Separate networks: {', '.join(name.replace('_', ' ') for name in run.attributes)}",
        f"Training: {'; '.join(training)}",
    ]
    for name, options in attacks.items():
        lines.append(f"Attack {name}: " + ", ".join(f"{key} {value}" for key, value in options.items()))
    return lines


def headlines(run: RunDescription, errors: "pd.DataFrame", attempts: "pd.DataFrame") -> list[str]:
    """Return the few numbers that say most about a run; arguments as `results_page`."""
    errors = errors[errors["attribute"].isin(ATTRIBUTES)]  # the table has rows of means, too
    by_attribute = errors.set_index(["attribute", "method"])["error"].unstack()  # noqa: PD010
    lines = []
    for method, name in NETWORK_NAMES.items():
        if method in by_attribute:
            both = by_attribute[[method, "trivial_train"]].dropna()
            lines.append(
                f"{name[0].upper()}{name[1:]}: {both[method].mean():.1%} classification error on the test split, "
                f"the mean over {len(both)} attributes; "
                f"Trivial (the majority class) has {both['trivial_train'].mean():.1%}"
            )
    adversarial = attempts["flipped"] & (attempts["pass"] >= run.threshold)
    correct = attempts["correct"]
    lines.append(
        f"{len(attempts):,} attempts, of which {attempts['flipped'].mean():.1%} flipped the decision; flipped with "
        f"PASS of at least {run.threshold:g}: {adversarial[correct].mean():.1%} of the correctly classified, "
        f"{adversarial[~correct].mean():.1%} of the misclassified (natural adversarial images)"
    )
    return lines


def _paper_row(item: tuple[str, tuple[str, ...], tuple[str, ...]]) -> str:
    title, tables, figures = item
    return f"| {title} | {', '.join(map(_table_link, tables))} | {', '.join(map(_figure_link, figures))} |"


def _table_link(name: str) -> str:
    return f"[{name}](tables/{name}.md)"


def _figure_link(name: str) -> str:
    return f"[{name}](figures/{name}.png)"


def _other_items() -> list[str]:
    tables, figures = ({name for item in PAPER_ITEMS for name in item[position]} for position in (1, 2))
    rows = [f"- {entry.title}: {_table_link(name)}" for name, entry in TABLES.items() if name not in tables]
    return rows + [f"- {entry.title}: {_figure_link(name)}" for name, entry in FIGURES.items() if name not in figures]
