"""What is measured of fine-tuned networks and of their sources: errors, flips, natural and old images, cost."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.analysis.answers import Answers, in_common
from faceflip.analysis.frames import adversarial, read_csv, read_parquet
from faceflip.analysis.names import SPLIT_SIGNS, ordered
from faceflip.analysis.run import RunDescription
from faceflip.analysis.statistics.paired import clustered_mcnemar, paired_t_test
from faceflip.analysis.tuned_evidence import PAIR, Scope, TunedEvidence
from faceflip.analysis.tunings import TunedNetwork
from faceflip.errors import UserError

TEST = "test"
"""Stands for the test split where a sample is named; a sample of this name has no errors of its own."""
ERRORS = ("error", "balanced_error", "false_negative_rate", "false_positive_rate")
FLIPS = ("flipped", "flipped_natural")
MEDIANS = ("median_epsilon", "median_l2", "median_linf", "median_pass", "median_l2_all")
OLD_IMAGES = ("old_still_flips", "old_fools", "transfer")
NATURAL = ("natural_cured", "natural_left", "natural_new")
NATURAL_COUNTS = ("natural_before", "natural_after", *(f"{name}_count" for name in NATURAL))
WRONG = "attempts_wrong"
PARTS = {sign: sign.replace("- ", "_") for sign in SPLIT_SIGNS}
"""How measures of misclassified images end where they are of those alone whose label is firm, or in doubt."""
COUNTS = ("attempts", "attempts_right", *(WRONG + part for part in PARTS.values()))
COSTS = ("extra_images", "minutes")
OF_PARTS = tuple(name + part for name in (*NATURAL, *NATURAL_COUNTS, FLIPS[1]) for part in PARTS.values())
MEASURES = (*ERRORS, *NATURAL, *NATURAL_COUNTS, *FLIPS, *MEDIANS, *OLD_IMAGES, *COUNTS, *COSTS, *OF_PARTS)
"""All of them, in order.

Errors are means over attributes. Natural images are shares of those before, and counts. Flips are rates among images
that the network classifies correctly, or wrongly (natural). Medians are of the flips of correctly classified images,
the last one of all of these, with the others infinitely far. `COUNTS` say what rates of flips are of. `PARTS` are there
where something says which labels are in doubt.
"""

BETWEEN = ("sample", "network", "checkpoint", "attack", *PAIR, "correct", "target", "score_after", "changed")
TUNING = ["network", "member", "epoch", "extra_images", "seconds"]

Key = tuple[str, str, float | None, str]
"""Sample, attack, threshold and measure; the first are empty, the threshold None where a measure is about none."""


def in_order(keys: Iterable[Key], run: RunDescription) -> list[Key]:
    """Return keys by measure, sample, attack and threshold."""
    keys = list(keys)
    samples = ordered({key[0] for key in keys}, ["", TEST, *run.samples])
    attacks = ordered({key[1] for key in keys}, ["", *(each.name for each in run.attack_list)])

    def place(key: Key) -> tuple:
        sample, attack, threshold, measure = key
        return MEASURES.index(measure), samples.index(sample), attacks.index(attack), threshold or 0.0

    return sorted(keys, key=place)


def over_seeds(values: Sequence[float]) -> float:
    """Return the mean of a number over seeds, or their median where some are infinite, as a mean would be then."""
    return float(np.mean(values) if np.isfinite(values).all() else np.median(values))


def against(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Return the mean difference of pairs, one a seed, with its interval and the p of the paired t-test.

    All are NaN where both of a pair are infinite: there is no difference then.
    """
    first, second = np.array(pairs, float).T
    with np.errstate(invalid="ignore"):
        test = paired_t_test(first, second)
    return {"against_control": test.difference, "control_low": test.low, "control_high": test.high, "p_seeds": test.p}


def read_costs(paths: Iterable[Path]) -> pd.DataFrame:
    """Read the records of fine-tunings: columns network, member, epoch, extra_images, seconds.

    Raises:
        UserError: A file is missing or no such record.
    """
    tables = []
    for path in paths:
        table = read_csv(path)
        if missing := sorted(set(TUNING).difference(table)):
            raise UserError(f"{path}: lacks the columns {', '.join(missing)}; delete it and run again")
        tables.append(table[TUNING])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=TUNING)


class TunedMeasures:
    """Takes all measures of one network at a time, over a scope."""

    def __init__(self, evidence: TunedEvidence, between: Path, tunings: Iterable[Path]) -> None:
        self._evidence = evidence
        self._between = read_parquet(between, BETWEEN, networks={each.source for each in evidence.run.tunings})
        self._costs = read_costs(tunings)
        self._taken: dict[tuple[TunedNetwork, Scope], dict[Key, float]] = {}

    def of(self, network: TunedNetwork, scope: Scope) -> dict[Key, float]:
        """Return the measures of a network; those without a number are left out.

        Of a source there are errors and flips alone.
        """
        if (network, scope) not in self._taken:
            found = [*self._errors(network, scope), *self._flips(network, scope)]
            if network.tuning:
                found += [*self._natural(network, scope), *self._old_images(network, scope), *self._cost(network)]
            self._taken[network, scope] = {key: float(value) for key, value in found if not math.isnan(value)}
        return self._taken[network, scope]

    def beside_control(self, network: TunedNetwork) -> tuple[dict[Key, float], dict[Key, float]]:
        """Return the measures of a network and of its control over what the two have in common; none without one."""
        control = self._evidence.control(network)
        if control is None:
            return {}, {}
        both = self._evidence.scope(network) & self._evidence.scope(control)
        return self.of(network, both), self.of(control, both)

    def p_over_images(self, networks: Iterable[TunedNetwork], sample: str) -> float:
        """Return the p of McNemar's test of the errors of networks and their controls, an image's trials together."""
        trials: list[tuple[np.ndarray, ...]] = []
        for network in networks:
            pair = (self._answers(each)[sample] for each in (network, self._evidence.control(network)))
            mine, its = in_common(*pair)
            both = mine.known & its.known
            images = np.broadcast_to(mine.images, both.shape)
            trials.append(tuple(values[both] for values in (mine.wrong, its.wrong, images)))
        return clustered_mcnemar(*map(np.concatenate, zip(*trials, strict=True))).p

    def _answers(self, network: TunedNetwork) -> dict[str, Answers]:
        """Return the answers of a network by sample, those on the test split as `TEST`; a source's where they count."""
        answers = dict(self._evidence.answers(network))
        test = {TEST: answers.pop("")} if "" in answers else {}
        if network.tuning is None:
            seen = set().union(*map(self._evidence.answers, self._evidence.tuned_from(network)))
            answers = {name: each for name, each in answers.items() if name in seen}
        return answers | test

    def _errors(self, network: TunedNetwork, scope: Scope) -> Iterator[tuple[Key, float]]:
        for sample, answers in self._answers(network).items():
            part = answers.of(scope.attributes)
            for measure in ERRORS:
                yield (sample, "", None, measure), getattr(part, measure)()

    def _flips(self, network: TunedNetwork, scope: Scope) -> Iterator[tuple[Key, float]]:
        run = self._evidence.run
        attempts = self._evidence.attempts(network)
        attempts = attempts[attempts["attribute"].isin(list(scope.attributes))]
        for (sample, attack), part in attempts.groupby(["sample", "attack"], observed=True):
            if (sample, attack) not in scope.attacked:
                continue
            right = part["correct"].to_numpy(bool)
            yield (sample, attack, None, "attempts"), len(part)
            yield (sample, attack, None, "attempts_right"), right.sum()
            chosen = dict(zip(FLIPS, (right, ~right), strict=True))
            if run.doubt:
                doubtful = part["doubtful"].to_numpy(bool)
                for end, of in zip(PARTS.values(), (~right & ~doubtful, ~right & doubtful), strict=True):
                    yield (sample, attack, None, WRONG + end), of.sum()
                    chosen[FLIPS[1] + end] = of
            for threshold in sorted({*map(float, run.thresholds), float(run.threshold)}):
                hit = adversarial(part, threshold).to_numpy(bool)
                for measure, of in chosen.items():
                    yield (sample, attack, threshold, measure), _mean(hit[of])
            flips = part[right & part["flipped"].to_numpy(bool)]
            for name in ("epsilon", "l2", "linf", "pass"):
                yield (sample, attack, None, f"median_{name}"), _median(flips[name])
            everything = np.where(part["flipped"], part["l2"], np.inf)[right]
            yield (sample, attack, None, "median_l2_all"), _median(everything)

    def _natural(self, network: TunedNetwork, scope: Scope) -> Iterator[tuple[Key, float]]:
        for sample in self._evidence.answers(network):
            found = self._evidence.naturals(network, sample, scope)
            if found is None:
                continue
            for sign in self._evidence.signs:
                counts, end = found.of(sign).counts, PARTS.get(sign, "")
                for name, count in counts.items():
                    whole = name in ("before", "after")
                    yield (sample, "", None, f"natural_{name}{'' if whole else '_count'}{end}"), count
                    if not whole and counts["before"]:
                        yield (sample, "", None, f"natural_{name}{end}"), count / counts["before"]

    def _old_images(self, network: TunedNetwork, scope: Scope) -> Iterator[tuple[Key, float]]:
        source, threshold = self._evidence.source(network), float(self._evidence.run.threshold)
        shown = self._between
        chosen = (shown["network"] == source.name) & (shown["checkpoint"] == source.checkpoint)
        shown = shown[chosen & (shown["target"] == network.name) & shown["attribute"].isin(list(scope.attributes))]
        for (sample, attack), part in shown.groupby(["sample", "attack"], observed=True):
            yield (sample, attack, threshold, "transfer"), _mean(part["changed"])
            right = part[part["correct"].to_numpy(bool)]
            yield (sample, attack, threshold, "old_still_flips"), _mean(right["changed"])
            if sample in self._evidence.answers(network):
                label = self._evidence.answers(network)[sample].labels_of(right)
                wrong = (right["score_after"] > 0).to_numpy() != (label > 0)
                yield (sample, attack, threshold, "old_fools"), _mean(wrong[label != 0])

    def _cost(self, network: TunedNetwork) -> Iterator[tuple[Key, float]]:
        part = self._costs[self._costs["network"] == network.name]
        if len(part):
            pools = part.drop_duplicates("member")["extra_images"]
            yield ("", "", None, "extra_images"), pools.sum()
            yield ("", "", None, "minutes"), part["seconds"].sum() / 60


def _mean(values: Iterable) -> float:
    values = np.asarray(values, float)
    return float(values.mean()) if len(values) else math.nan


def _median(values: Iterable) -> float:
    values = np.asarray(values, float)
    return float(np.median(values)) if len(values) else math.nan
