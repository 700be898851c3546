"""What a run has on each of its fine-tuned networks and their sources, read network by network: there may be many."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.analysis.answers import Answers, read_answers
from faceflip.analysis.frames import adversarial, read_parquet
from faceflip.analysis.names import SPLIT_SIGNS
from faceflip.analysis.run import RunDescription, RunTuning
from faceflip.analysis.tunings import TunedNetwork, control_of, read_tuned_attempts, tuned_groups

PAIR = ["attribute", "image"]


@dataclass(frozen=True)
class Scope:
    """What numbers are taken over, so that those of several networks are of the same things.

    Attributes:
        attributes: That all of the networks decide on.
        attacked: Samples and the attacks on them that all of the networks went through.
    """

    attributes: frozenset[str]
    attacked: frozenset[tuple[str, str]]

    def __and__(self, other: "Scope") -> "Scope":
        return Scope(self.attributes & other.attributes, self.attacked & other.attacked)

    def attacks_on(self, sample: str) -> set[str]:
        """Return the attacks on a sample."""
        return {attack for name, attack in self.attacked if name == sample}


@dataclass(frozen=True)
class Naturals:
    """Natural adversarial images before and after a fine-tuning: pairs of attribute and image.

    Attributes:
        answers: Of the fine-tuned network on the sample.
        before: Which of them the source misclassified and an attack on it corrected, of the shape of its matrices.
        after: The same of the fine-tuned network; None where it was not attacked on the sample.
        doubtful: Which of both have a label in doubt; None where nothing says so.
    """

    answers: Answers
    before: np.ndarray
    after: np.ndarray | None
    doubtful: np.ndarray | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many were natural before, are now right (`cured`), still wrong (`left`), have come (`new`), are `after`.

        Without attacks on the fine-tuned network the last two are missing. Some of those left may be natural no more.
        """
        left = self.before & self.answers.wrong
        found = {"before": self.before.sum(), "cured": (self.before & ~left).sum(), "left": left.sum()}
        if self.after is not None:
            found |= {"new": (self.after & ~self.before).sum(), "after": self.after.sum()}
        return {name: int(count) for name, count in found.items()}

    def of(self, sign: str) -> "Naturals":
        """Return those of a sign: ``-`` all, or of `SPLIT_SIGNS` those whose label is firm, or in doubt."""
        if sign not in SPLIT_SIGNS:
            return self
        part = self.doubtful if sign == SPLIT_SIGNS[1] else ~self.doubtful
        return replace(self, before=self.before & part, after=None if self.after is None else self.after & part)


class TunedEvidence:
    """Reads what tables on fine-tuning are computed from, and keeps what is small."""

    def __init__(self, attempts: Path, predictions: Path, run: RunDescription) -> None:
        self.run = run
        self.groups = tuned_groups(run)
        self._attempts_path, self._predictions_path = attempts, predictions
        networks = [each for group in self.groups for each in group.networks]
        # A network that others were fine-tuned from may be fine-tuned itself: it is both then.
        self._tuned = [each for each in networks if each.tuning is not None]
        self._sources = {(each.name, each.checkpoint): each for each in networks if each.tuning is None}
        self._fed = {each.sample for each in run.tunings}
        self._answers: dict[TunedNetwork, dict[str, Answers]] = {}
        self._naturals: dict[TunedNetwork, pd.DataFrame] = {}
        self._attempts: tuple[TunedNetwork | None, pd.DataFrame] = (None, pd.DataFrame())
        columns = ["network", "checkpoint", "sample", "attack"]
        found = read_parquet(attempts, columns, networks=[each.name for each in networks])
        self._attacked: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for network, checkpoint, sample, attack in found.drop_duplicates().astype("str").itertuples(index=False):
            self._attacked.setdefault((network, checkpoint), set()).add((sample, attack))

    @property
    def signs(self) -> tuple[str, ...]:
        """The signs by which misclassified images are counted: all, and where labels are in doubt these apart."""
        return ("-", *SPLIT_SIGNS) if self.run.doubt else ("-",)

    def source(self, network: TunedNetwork) -> TunedNetwork:
        """Return what a network was fine-tuned from; a source itself."""
        tuning = network.tuning
        return network if tuning is None else self._sources[tuning.source, tuning.checkpoint]

    def tuned_from(self, source: TunedNetwork) -> list[TunedNetwork]:
        """Return the networks that were fine-tuned from a source."""
        return [each for each in self._tuned if self.source(each) == source]

    def control(self, network: TunedNetwork) -> TunedNetwork | None:
        """Return the network that a fine-tuned one is compared with, if there is one."""
        tuning = network.tuning and control_of(network.tuning, self.run)
        return self._of(tuning) if tuning else None

    def _of(self, tuning: RunTuning) -> TunedNetwork:
        return next(each for each in self._tuned if each.tuning == tuning)

    def attacked(self, network: TunedNetwork) -> set[tuple[str, str]]:
        """Return the samples and the attacks on them that a network went through."""
        return self._attacked.get((network.name, network.checkpoint), set())

    def scope(self, network: TunedNetwork) -> Scope:
        """Return what a network is measured on: the attributes and attacks that its source (its fine-tunings) has, too.

        Samples that some network was fine-tuned on are left out.
        """
        source = self.source(network)
        others = self.tuned_from(source) if network == source else [source]
        attributes = set().union(*(each.attributes for each in others))
        attacked = self.attacked(network) & set().union(*map(self.attacked, others))
        judging = (pair for pair in attacked if pair[0] not in self._fed)
        return Scope(frozenset(attributes & set(network.attributes)), frozenset(judging))

    def answers(self, network: TunedNetwork) -> dict[str, Answers]:
        """Return what a network said of each sample, and of the test split by the name ``""``."""
        if network not in self._answers:
            self._answers[network] = read_answers(self._predictions_path, network.name, network.checkpoint)
        return self._answers[network]

    def attempts(self, network: TunedNetwork) -> pd.DataFrame:
        """Return all attempts on a network, with epsilon, linf and l2."""
        if self._attempts[0] != network:
            more = ("epsilon", "linf", "l2")
            found = read_tuned_attempts(self._attempts_path, self.run, *more, networks=[network])
            self._attempts = network, found
        return self._attempts[1]

    def naturals(self, network: TunedNetwork, sample: str, scope: Scope) -> Naturals | None:
        """Return what became of the natural adversarial images of a network's source on a sample.

        An image counts by any attack of the scope on the sample; where there is none, because the network was not
        attacked on it, by any attack on the source. None where the network did not see the sample, or the source was
        not attacked on it.
        """
        source = self.source(network)
        everything = {attack for name, attack in self.attacked(source) if name == sample}
        if sample not in self.answers(network) or not everything:
            return None
        answers = self.answers(network)[sample].of(scope.attributes)
        attacks = scope.attacks_on(sample)
        on_source = self._natural(source, sample, attacks or everything)
        on_network = self._natural(network, sample, attacks) if attacks else None
        before = answers.where(on_source) & answers.known
        after = None if on_network is None else answers.where(on_network)
        doubtful = None
        if self.run.doubt:
            found = pd.concat([on_source] if on_network is None else [on_source, on_network])
            doubtful = answers.where(found[found["doubtful"].astype(bool)])
        return Naturals(answers, before, after, doubtful)

    def _natural(self, network: TunedNetwork, sample: str, attacks: Iterable[str]) -> pd.DataFrame:
        """Return the natural adversarial images of a network on a sample: columns attribute, image, and doubtful."""
        if network not in self._naturals:
            attempts = self.attempts(network)
            chosen = attempts[adversarial(attempts, self.run.threshold) & ~attempts["correct"].astype(bool)]
            doubtful = ["doubtful"] if self.run.doubt else []
            self._naturals[network] = chosen[["sample", "attack", *PAIR, *doubtful]].reset_index(drop=True)
        found = self._naturals[network]
        return found[(found["sample"] == sample) & found["attack"].isin(list(attacks))]
