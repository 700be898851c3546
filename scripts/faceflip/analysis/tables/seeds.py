"""Spread over seeds: how much of a number is chance, for networks that were trained once a seed.

A row is a network of the configuration, trained several times from other random weights and on other orders of the
images, with the same images, labels and options. The mean has the 95 % interval of Student's t over seeds, which says
where the mean of very many seeds would be; smallest and largest are what single seeds gave. Errors are means over
attributes on the test split, balanced ones first over the two classes of each. The errors of the classes stand beside
them: on images with the attribute (false negatives) and without it (false positives). Rates are of all attempts on the
run's sample, on images classified correctly (+) and misclassified (-): flipped with a PASS of at least tau.

Two networks of other tables that differ by less than one of these spans may differ by their seed alone. The intervals
of those tables allow for the choice of images, and not for seeds. With two or three seeds the interval is wide because
the spread itself is hardly known: look at smallest and largest, too. It would be surprising if no number differed: then
the seeds did not reach the trainings.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from faceflip.analysis.answers import read_answers
from faceflip.analysis.frames import Inputs, adversarial, only_final, read_attempts, signs_of, with_parts, with_split
from faceflip.analysis.names import SIGN_NAMES, SIGNS, SPLIT_SIGNS, ordered
from faceflip.analysis.pages import MISSING, Cell, Column, Sheet, nothing, percent, percent_cell
from faceflip.analysis.run import RunDescription, RunNetwork
from faceflip.analysis.statistics.intervals import of_mean
from faceflip.wording import first_of

ERRORS = {
    "error": "test error, percent",
    "balanced_error": "balanced test error, percent",
    "false_negative_rate": "error on images with the attribute, percent",
    "false_positive_rate": "error on images without the attribute, percent",
}
"""Measures of `Answers`, means over attributes on the test split, and what pages call them."""
RATE = "adversarial"
COLUMNS = ["group", "measure", "attack", "sign", "seeds", "value", "low", "high", "least", "most"]
TITLE = "Spread over seeds"
MOST_NAMED = 20
"""So many seeds are named."""


def seed_groups(run: RunDescription) -> dict[str, list[RunNetwork]]:
    """Return the networks that were trained once a seed, by what the configuration calls them."""
    groups: dict[str, list[RunNetwork]] = {}
    for network in run.networks:
        if network.group:
            groups.setdefault(network.group, []).append(network)
    return groups


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return what the seeds of each network gave: test errors, and rates of adversarial images by attack and sign.

    Returns:
        Columns group, measure (of `ERRORS`, or ``adversarial``), attack and sign (empty of errors), seeds (how many
        have a number), value (their mean), low, high (95 %, `of_mean`), least, most. All are fractions.
    """
    attempts = only_final(read_attempts(inputs["attempts"], run))
    signs = signs_of(attempts)
    attempts = with_split(with_parts(attempts, run).assign(hit=adversarial(attempts, run.threshold)))
    rows = []
    for group, networks in seed_groups(run).items():
        answers = [read_answers(inputs["predictions"], each.name, each.final).get("") for each in networks]
        answers = [each for each in answers if each is not None]
        for measure in ERRORS:
            rows.append([group, measure, "", "", *_spread([getattr(each, measure)() for each in answers])])
        mine = attempts[attempts["network"].isin([each.name for each in networks])]
        for attack in ordered(mine["attack"].unique(), (each.name for each in run.attack_list)):
            for sign in signs:
                part = mine[(mine["attack"] == attack) & (mine["sign"] == sign)]
                rates = part.groupby("network", observed=True)["hit"].mean()
                rows.append([group, RATE, attack, sign, *_spread(rates)])
    return pd.DataFrame(rows, columns=COLUMNS).astype({"seeds": "int64"} | dict.fromkeys(COLUMNS[5:], "float64"))


def _spread(values: Sequence[float]) -> Iterator[float]:
    """Yield how many values there are, their mean with the ends of its interval, the least and the most of them."""
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    yield len(values)
    yield from (values.mean(), *of_mean(values), values.min(), values.max()) if len(values) else [np.nan] * 5


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay out errors with a row for each network, and rates with a row for each attack on it."""
    groups = seed_groups(run)
    if frame.empty:
        return [nothing(TITLE, "This run trains no network once a seed.")]
    # An empty cell of the table, read back, is missing.
    cells = {
        (row["group"], row["measure"], row["attack"], row["sign"]): row
        for row in frame.fillna({"attack": "", "sign": ""}).to_dict("records")
    }
    names = list(dict.fromkeys(frame["group"]))
    notes = [f"{name}: {_seeds(groups[name])}." for name in names if name in groups]
    notes.append("Mean with Student's 95 % interval over seeds; without one where there is a single seed.")

    def columns(title: str) -> list[Column]:
        return [Column(name, title) for name in ("mean", "smallest", "largest")]

    errors = [
        [name, *(cell for measure in ERRORS for cell in _cells(cells.get((name, measure, "", "")), 2))]
        for name in names
    ]
    heads = [Column("network", align="l"), *(column for title in ERRORS.values() for column in columns(title))]
    made = [Sheet(f"{TITLE}: errors", heads, errors, notes)]
    attacks = list(dict.fromkeys((key[0], key[2]) for key in cells if key[1] == RATE))
    breaks = frozenset(place for place in range(1, len(attacks)) if attacks[place][0] != attacks[place - 1][0])
    title = f"{TITLE}: adversarial images, PASS of at least {run.threshold:g}, percent"
    split = ("; misclassified pairs by whether their label is in doubt", SPLIT_SIGNS, run.doubt_notes)
    for which, signs, more in (("", SIGNS, ()), split) if run.doubt else (("", SIGNS, ()),):
        rates = [
            [name, attack, *(cell for sign in signs for cell in _cells(cells.get((name, RATE, attack, sign)), 1))]
            for name, attack in attacks
        ]
        heads = [Column("network", align="l"), Column("attack", align="l")]
        heads += [column for sign in signs for column in columns(SIGN_NAMES[sign])]
        if rates:
            made.append(Sheet(title + which, heads, rates, [*notes, *more], breaks))
    return made


def _seeds(networks: Sequence[RunNetwork]) -> str:
    """Say which seeds a network was trained with."""
    seeds = [str(network.seed) for network in networks]
    return f"{len(seeds)} seed{'s' * (len(seeds) > 1)} ({first_of(seeds, MOST_NAMED)})"


def _cells(row: dict | None, digits: int) -> list[Cell]:
    if row is None:
        return [MISSING] * 3
    return [
        percent_cell(row | {"rate": row["value"]}, digits),
        *(percent(row[name], digits) for name in ("least", "most")),
    ]
