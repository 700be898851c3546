"""Attempts and answers of several runs on the same images: what differs, and whether by more than chance."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from faceflip.analysis.answers import Answers, in_common, read_answers
from faceflip.analysis.comparison.finished import EXPERIMENT, PAIR, FinishedRun
from faceflip.analysis.comparison.what_differs import same_images, same_similarity
from faceflip.analysis.frames import adversarial, shares_by_image
from faceflip.analysis.names import ALL, SIGNS
from faceflip.analysis.run import RunDescription
from faceflip.analysis.statistics.intervals import of_difference
from faceflip.analysis.statistics.paired import compare_shares, compare_sizes, holm
from faceflip.attempt import TUNED
from faceflip.io.paths import PREDICTIONS

TEST = "test"
"""Stands for the sample where the whole test split is meant."""
PAIRED, INDEPENDENT = "paired", "independent"
ERROR, FLIPPED, ADVERSARIAL = "error", "flipped", "adversarial"
SIZES = ("epsilon", "l2", "pass")
"""Measures of the attempts that flipped in both runs."""
COLUMNS = ["run", "kind", *EXPERIMENT, "measure", "sign", "trials", "images", "first", "other"]
COLUMNS += ["only_first", "only_other", "difference", "low", "high", "p", "p_holm"]


def paired_tests(runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """Compare each other run with the first one, by attempts and by answers on the test split.

    Where the datasets are the same, attempts on the same attribute of the same image by the same attack on the same
    network, by their names, are pairs; so are answers on the same attribute of the same image. Where not all of them
    are in both runs there is a row of all of them besides, as of independent images, without a test.

    Returns:
        Columns run (letter of the other one), kind (``paired`` or ``independent``), sample (``test``: that split, of
        errors), network, checkpoint, attack (empty of errors), measure (``error``: wrong answers; ``flipped``;
        ``adversarial``: flipped with a PASS of at least the first run's threshold; `SIZES` of what flipped in both),
        sign (``all``; ``+`` classified correctly by both, ``-`` misclassified by both), trials, images (of pairs; else
        of the other run), first and other (shares as fractions, or medians), only_first and only_other (trials of which
        one run's alone succeeded), difference (other minus first; of sizes the median over images), low, high (95 %),
        p (`compare_shares` or `compare_sizes`), p_holm (`holm`, over all rows).
    """
    rows = [row | {"run": other.letter} for other in runs[1:] for row in _rows(runs[0], other)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table = table.astype({"trials": "int64", "images": "int64", "only_first": "Int64", "only_other": "Int64"})
    table = table.astype(dict.fromkeys(["first", "other", "difference", "low", "high", "p"], "float64"))
    return table.assign(p_holm=holm(table["p"]))


def _rows(first: FinishedRun, other: FinishedRun) -> Iterator[dict]:
    yield from _errors(first, other)
    yield from _attempts(first, other)


def _errors(first: FinishedRun, other: FinishedRun) -> Iterator[dict]:
    """Yield the errors on the test split of the networks that both runs have, checkpoint by checkpoint."""
    theirs = set(_trained(other.description))
    for name, checkpoint in (each for each in _trained(first.description) if each in theirs):
        found = [read_answers(run.place(PREDICTIONS), name, checkpoint).get("") for run in (first, other)]
        if any(each is None for each in found):
            continue
        about = {"sample": TEST, "network": name, "checkpoint": checkpoint, "attack": ""}
        about |= {"measure": ERROR, "sign": ALL}
        shared = in_common(*found) if same_images(first, other) else None
        if shared and all(map(len, (shared[0].images, shared[0].attributes))):
            labelled = shared[0].known & shared[1].known
            image = np.broadcast_to(shared[0].images, labelled.shape)[labelled]
            yield about | _of_shares(*(each.wrong[labelled] for each in shared), image)
        if not shared or any(each.labels.size != shared[0].labels.size for each in found):
            yield about | _apart(*map(_trials, found))


def _trained(run: RunDescription) -> list[tuple[str, str]]:
    """Return the networks of a run with each of their checkpoints, fine-tuned ones too."""
    trained = [(network.name, checkpoint) for network in run.networks for checkpoint in network.checkpoints]
    return trained + [(tuning.name, TUNED) for tuning in run.tunings]


def _trials(answers: Answers) -> pd.DataFrame:
    """Return the answers whose label is known: columns image, and hit where it is wrong."""
    image = np.broadcast_to(answers.images, answers.known.shape)
    return pd.DataFrame({"image": image[answers.known], "hit": answers.wrong[answers.known]})


def _attempts(first: FinishedRun, other: FinishedRun) -> Iterator[dict]:
    """Yield what became of the attempts of each experiment that both runs have."""
    a, b = (dict(iter(run.attempts.groupby(EXPERIMENT, sort=False))) for run in (first, other))
    same = same_similarity(first.description, other.description)
    for experiment in (each for each in a if each in b):
        about = dict(zip(EXPERIMENT, experiment, strict=True))
        of_first, of_other = a[experiment], b[experiment]
        pairs = pd.DataFrame()
        if same_images(first, other):
            pairs = of_first.merge(of_other, on=PAIR, suffixes=("_a", "_b"), validate="one_to_one")
        if len(pairs):
            yield from (about | row for row in _of_pairs(pairs, first.description, other.description, same))
        if len(pairs) < max(len(of_first), len(of_other)):
            yield from (about | row for row in _of_all(of_first, of_other, first.description.threshold, same))


def _of_pairs(pairs: pd.DataFrame, a: RunDescription, b: RunDescription, same: bool) -> Iterator[dict]:
    """Yield the rows of attempts that both runs made, one of each beside the other."""
    image = pairs["image"].to_numpy()
    flipped = [pairs[f"flipped_{side}"].to_numpy(bool) for side in "ab"]
    yield {"measure": FLIPPED, "sign": ALL} | _of_shares(*flipped, image)
    if same:
        hits = [
            each & (pairs[f"pass_{side}"] >= a.threshold).to_numpy() for each, side in zip(flipped, "ab", strict=True)
        ]
        correct = [pairs[f"correct_{side}"].to_numpy(bool) for side in "ab"]
        parts = {ALL: np.ones(len(pairs), bool), SIGNS[0]: correct[0] & correct[1], SIGNS[1]: ~correct[0] & ~correct[1]}
        for sign, part in parts.items():
            yield {"measure": ADVERSARIAL, "sign": sign} | _of_shares(*(hit[part] for hit in hits), image[part])
    both = flipped[0] & flipped[1]
    attack = pairs["attack"].iloc[0]
    for size in SIZES:
        if (size == "pass" and not same) or (
            size == "epsilon" and a.attack(attack).epsilon != b.attack(attack).epsilon
        ):
            continue
        values = pairs.loc[both, [f"{size}_a", f"{size}_b"]].to_numpy(float)
        there = np.isfinite(values).all(axis=1)
        yield {"measure": size, "sign": ALL} | _of_sizes(*values[there].T, image[both][there])


def _of_all(of_first: pd.DataFrame, of_other: pd.DataFrame, threshold: float, same: bool) -> Iterator[dict]:
    """Yield the rows of attempts that are not the same in both runs."""
    both = [of_first, of_other]
    yield {"measure": FLIPPED, "sign": ALL} | _apart(*(each.assign(hit=each["flipped"]) for each in both))
    if not same:
        return
    both = [each.assign(hit=adversarial(each, threshold)) for each in both]
    for sign in (ALL, *SIGNS):
        parts = both if sign == ALL else [each[each["correct"] == (sign == SIGNS[0])] for each in both]
        if all(map(len, parts)):
            yield {"measure": ADVERSARIAL, "sign": sign} | _apart(*parts)


def _of_shares(first: np.ndarray, other: np.ndarray, image: np.ndarray) -> dict:
    found = asdict(test := compare_shares(first, other, image))
    return {"kind": PAIRED, "difference": test.difference} | _renamed(found)


def _of_sizes(first: np.ndarray, other: np.ndarray, image: np.ndarray) -> dict:
    return {"kind": PAIRED} | _renamed(asdict(compare_sizes(first, other, image)))


def _renamed(found: dict) -> dict:
    """Return a test whose second case is that of the other run."""
    return {name.replace("second", "other"): value for name, value in found.items()}


def _apart(first: pd.DataFrame, other: pd.DataFrame) -> dict:
    """Return two shares of `hit` of other trials, each of an `image`, with the interval of their difference."""
    found = [shares_by_image(each.assign(whole=""), ["whole"]).iloc[0] for each in (first, other)]
    low, high = of_difference(*(tuple(each[["rate", "low", "high"]]) for each in found))
    rates = {name: float(each["rate"]) for name, each in zip(("first", "other"), found, strict=True)}
    about = {"kind": INDEPENDENT, "trials": int(found[1]["trials"]), "images": other["image"].nunique()}
    return about | rates | {"difference": rates["other"] - rates["first"], "low": float(low), "high": float(high)}
