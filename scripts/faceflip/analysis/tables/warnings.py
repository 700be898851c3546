"""What to know before the numbers: trainings and attacks that a cap ended, answers that never change.

A row is a warning. Networks whose training the cap ended may not have converged. A network that gives one answer for
every test image on an attribute has learned nothing about it, and cannot be flipped for a reason of its own. An
iterative attack whose cap ended many attempts finds fewer flips than it would with more steps, which makes a network
look robust. What is suspicious about a network was found by trying it before an attack, and is recorded in the stores.
A run without warnings has an empty table. (`kind` in the CSV: `cap`, `constant`, `steps`, `not_finite`, `suspicious`.)
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from faceflip.analysis.frames import Inputs, read_attempts, read_csv, read_predictions
from faceflip.analysis.names import checkpoint_name, display_name, ordered
from faceflip.analysis.pages import Column, Sheet
from faceflip.analysis.run import RunDescription
from faceflip.analysis.tables.trainings import CAP
from faceflip.attempt import CONVERGED, FINAL, GIVEN
from faceflip.catalogue import LINE, REFERENCE
from faceflip.outcomes import Outcome
from faceflip.store.reader import open_store
from faceflip.wording import first_of, quantity
from faceflip.workflow.plan import ALL

MANY = 0.05
"""From this share of an attack's attempts on, a cap that ended them is reported."""
SHOWN = 5
"""So many attributes are named."""


class Warned(NamedTuple):
    """A warning: its sentence, and how many (`count`) of how many (`of`) it is about."""

    kind: str
    network: str
    checkpoint: str
    attack: str
    count: int
    of: int
    text: str


def of_trainings(trainings: pd.DataFrame, run: RunDescription) -> Iterator[Warned]:
    """Yield which networks (of `faceflip.analysis.tables.trainings`) the cap ended."""
    for name, rows in trainings.groupby("network", sort=False):
        capped = rows[rows["ended"] == CAP]
        if len(capped):
            network = run.network(name)
            falling = int((capped["kept"] == capped["epochs"]).sum())
            text = f"{_title(run, name)}: the cap of {network.training['max_epochs']} epochs ended {len(capped)} of "
            text += quantity(len(rows), "training")
            if falling:
                text += (
                    f', {falling} of them with the lowest validation error in the last epoch: "converged" says little'
                )
            yield Warned("cap", name, CONVERGED, "", len(capped), len(rows), f"{text}; raise training.max_epochs")


def of_answers(predictions: pd.DataFrame, run: RunDescription) -> Iterator[Warned]:
    """Yield which networks give one answer in the end on an attribute for every test image (two or more).

    The predictions have the columns network, checkpoint, attribute, split, score.
    """
    test = predictions[(predictions["split"] == "test") & predictions["checkpoint"].isin(FINAL)]
    present = (test["score"] > 0).groupby([test["network"], test["attribute"]], observed=True)
    counted = present.agg(["sum", "size"]).reset_index()
    constant = ((counted["sum"] == 0) | (counted["sum"] == counted["size"])) & (counted["size"] > 1)
    for network in run.network_names:
        chosen = counted["network"] == network
        names = ordered(counted.loc[chosen & constant, "attribute"], run.attributes)
        if names:
            of = int(chosen.sum())
            text = f"{_title(run, network)}: one answer for every test image on {len(names)} of "
            text += f"{quantity(of, 'attribute')} ({_few(names)}); nothing is learned there"
            yield Warned("constant", network, run.network(network).final, "", len(names), of, text)


def of_attempts(attempts: pd.DataFrame, run: RunDescription) -> Iterator[Warned]:
    """Yield which attacks were cut short: by the most steps, or by scores that are not finite.

    The attempts have the columns network, checkpoint, attack, outcome, steps.
    """
    for (network, checkpoint, attack), part in attempts.groupby(["network", "checkpoint", "attack"], observed=True):
        about = (network, checkpoint, attack)
        where = f"{_title(run, network)}, {checkpoint_name(checkpoint)}"
        stopped = part["outcome"] == Outcome.MAX_STEPS.label
        if stopped.mean() > MANY:
            most, share = part.loc[stopped, "steps"].max(), stopped.mean()
            text = f"{where}: the cap of {most} steps ended {share:.1%} of {attack}'s attempts, which may flip with "
            text += f"more; raise attacks.{attack}.max_steps"
            if run.attack(attack).search in (LINE, REFERENCE):  # an attack by file
                text = f"{where}: {share:.1%} of {attack}'s attempts ended without a flipped image, after {most} steps "
                text += f"at most; see attacks.{attack}.options for more of them"
            yield Warned("steps", *about, int(stopped.sum()), len(part), text)
        unknown = part["outcome"] == Outcome.NOT_FINITE.label
        if unknown.any():
            text = f"{where}: scores that are infinite or no number ended {int(unknown.sum()):,} of {attack}'s "
            text += f"{len(part):,} attempts: nothing is known of these"
            yield Warned("not_finite", *about, int(unknown.sum()), len(part), text)


def of_preflights(preflights: pd.DataFrame, run: RunDescription) -> Iterator[Warned]:
    """Yield what was suspicious of networks that were trained elsewhere; the columns are network and text."""
    for network, text in preflights[["network", "text"]].itertuples(index=False):
        yield Warned(
            "suspicious", network, GIVEN, "", 1, 1, f"{_title(run, network)}: {text} (found when it was brought)"
        )


def of_stores(stores: Iterable[Path], run: RunDescription, known: Collection[tuple[str, str]] = ()) -> Iterator[Warned]:
    """Yield what the headers of stores say is suspicious of the attacked networks, a sentence once a checkpoint.

    Pairs of network and sentence in `known` are left out.
    """
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for path in stores:
        with open_store(path) as store:
            header = store.header
        for member, sentences in header.warnings.items():
            for sentence in sentences:
                found[header.network, header.checkpoint, sentence].append((header.attack, member))
    for (network, checkpoint, sentence), cases in found.items():
        if (network, sentence) in known:
            continue
        attacks, members = (list(dict.fromkeys(names)) for names in zip(*cases, strict=True))
        which = "" if members == [ALL] else f" ({_few(members)})"
        text = (
            f"{_title(run, network)}, {checkpoint_name(checkpoint)}{which}: {sentence} (found by {', '.join(attacks)})"
        )
        yield Warned("suspicious", network, checkpoint, " ".join(attacks), len(members), len(members), text)


def _few(names: Sequence[str]) -> str:
    return first_of([display_name(name) for name in names], SHOWN)


def _title(run: RunDescription, network: str) -> str:
    title = run.title_of(network)
    return title[0].upper() + title[1:]


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return the run's warnings, one row each, with the fields of `Warned` as columns."""
    columns = ("network", "checkpoint", "attribute", "split", "score")
    empty = pd.DataFrame(columns=["network", "text"])
    preflights = pd.concat([empty, *map(read_csv, inputs.get("preflights", ()))], ignore_index=True)
    known = set(preflights[["network", "text"]].itertuples(index=False, name=None))
    found = [
        *of_trainings(read_csv(inputs["trainings"]), run),
        *of_answers(read_predictions(inputs["predictions"], run, *columns), run),
        *of_attempts(read_attempts(inputs["attempts"], run, "outcome", "steps"), run),
        *of_preflights(preflights, run),
        *of_stores(inputs["stores"], run, known),
    ]
    return pd.DataFrame(found, columns=Warned._fields)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """List the warnings."""
    rows = [[row["text"], f"{row['count']:,}", f"{row['of']:,}"] for row in frame.to_dict("records")]
    heads = [Column("what to know", align="l"), Column("count"), Column("of")]
    return [Sheet("Warnings", heads, rows, [] if rows else ["This run has no warnings."])]
