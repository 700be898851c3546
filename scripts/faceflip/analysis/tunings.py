"""Fine-tuned networks beside their sources and controls: which there are, and their attempts on all samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.analysis.frames import read_csv, read_parquet, require_scored
from faceflip.analysis.names import checkpoint_name, lead_method
from faceflip.analysis.run import RunDescription, RunTuning
from faceflip.attempt import FINAL, TUNED
from faceflip.catalogue import DIETS, LINE

CONTROL = "control"
"""The diet that all others are compared with: equally many steps on clean images."""
BEFORE = ""
"""Stands for the diet of a source: the state before."""
MEAN = "mean"
"""Stands for the seed where a number is the mean over all."""
NAMES = ("source", "checkpoint", "network", "diet", "sample", "attack", "measure", "seed")
"""The columns of `fine_tuning` that are text, some of it empty."""


@dataclass(frozen=True)
class TunedNetwork:
    """A network as it is evaluated: one that was fine-tuned, or its source.

    Attributes:
        name: In the column `network` of attempts and predictions, as `checkpoint` there.
        seed: As text; empty where the configuration lists none.
        attributes: It decides on these.
        tuning: None of a source.
    """

    name: str
    checkpoint: str
    seed: str
    attributes: tuple[str, ...]
    tuning: RunTuning | None = None


@dataclass(frozen=True)
class TunedGroup:
    """What the configuration names once: networks that differ by their seed, fine-tuned or sources.

    Attributes:
        source: Group of the sources, and their `checkpoint`.
        name: Of the group; of the sources' own group the same as `source`.
        diet: `BEFORE` of sources, whose `share` and `epochs` are 0.
        title: On pages, and `source_title` that of the sources, with the checkpoint if it is not the last.
        label: What tells it apart from other groups of the same source: the diet, with the title where two share it.
        networks: One a seed.
    """

    source: str
    checkpoint: str
    name: str
    diet: str
    share: float
    epochs: int
    title: str
    source_title: str
    label: str
    networks: tuple[TunedNetwork, ...]


def tuned_groups(run: RunDescription) -> list[TunedGroup]:
    """Return the groups of fine-tuned networks, those of one source together.

    The source comes first, then its controls, then the diets in the order of `faceflip.catalogue.DIETS`; groups of one
    diet, and sources, are in the order of the configuration.
    """
    places = [CONTROL, *DIETS]
    groups = []
    for source, checkpoint in dict.fromkeys((each.source_group, each.checkpoint) for each in run.tunings):
        family = [each for each in run.tunings if (each.source_group, each.checkpoint) == (source, checkpoint)]
        groups.append(before := _source_group(source, checkpoint, family, run))
        family.sort(key=lambda each: places.index(each.diet))
        names = list(dict.fromkeys(each.group for each in family))
        members = {name: [each for each in family if each.group == name] for name in names}
        diets = [tunings[0].diet for tunings in members.values()]
        groups += [_tuned_group(each, before.title, diets.count(each[0].diet) > 1) for each in members.values()]
    return groups


def _source_group(source: str, checkpoint: str, family: Sequence[RunTuning], run: RunDescription) -> TunedGroup:
    networks = []
    for name in dict.fromkeys(each.source for each in family):
        first = next(each for each in family if each.source == name)
        attributes = run.network(name).attributes if name in run.network_names else first.attributes
        networks.append(TunedNetwork(name, checkpoint, _text(first.seed if name != source else None), attributes))
    single = run.network(networks[0].name) if networks[0].name in run.network_names else None
    title = single.title if single and not single.group else source
    title += "" if checkpoint in FINAL else f", {checkpoint_name(checkpoint)}"
    return TunedGroup(source, checkpoint, source, BEFORE, 0.0, 0, title, title, "before", tuple(networks))


def _tuned_group(tunings: Sequence[RunTuning], source_title: str, shared: bool) -> TunedGroup:
    first = tunings[0]
    networks = tuple(TunedNetwork(each.name, TUNED, _text(each.seed), each.attributes, each) for each in tunings)
    label = f"{first.diet}: {first.title}" if shared else first.diet
    about = (first.diet, first.share, first.epochs, first.title, source_title, label)
    return TunedGroup(first.source_group, first.checkpoint, first.group, *about, networks)


def _text(seed: int | None) -> str:
    return "" if seed is None else str(seed)


def control_of(tuning: RunTuning, run: RunDescription) -> RunTuning | None:
    """Return the control of a fine-tuning: of the same source, checkpoint and seed, for as many and as long steps.

    None for controls, and where the run has no such control: one of fewer steps would say nothing about the diet.
    """
    if tuning.diet == CONTROL:
        return None

    def key(each: RunTuning) -> tuple:
        return each.source, each.checkpoint, each.seed, each.epochs, each.batch_size, each.learning_rate

    return next((each for each in run.tunings if each.diet == CONTROL and key(each) == key(tuning)), None)


def fed_in(groups: Sequence[TunedGroup], run: RunDescription) -> list[str]:
    """Return the samples that extra images of some fine-tuning of the groups' sources were made of."""
    families = {(group.source, group.checkpoint) for group in groups}
    found = (each.sample for each in run.tunings if (each.source_group, each.checkpoint) in families)
    return list(dict.fromkeys(filter(None, found)))


def lead_attack(attacks: Sequence[str], run: RunDescription) -> str:
    """Return the attack that is looked at closer: FFA by a line search where it was run, else the first of its kind.

    Raises:
        ValueError: There are no attacks.
    """
    known = [each for each in run.attack_list if each.name in attacks]
    known += [run.attack(name) for name in attacks if name not in {each.name for each in known}]
    if not known:
        raise ValueError("no attacks")
    method = lead_method(each.method for each in known)
    chosen = [each for each in known if each.method == method]
    return next((each for each in chosen if each.search == LINE), chosen[0]).name


def read_tuned_attempts(
    path: Path, run: RunDescription, *more: str, networks: Sequence[TunedNetwork] | None = None
) -> pd.DataFrame:
    """Read the attempts on fine-tuned networks and on their sources (or on some `networks` of them), on all samples.

    A source's are those at the checkpoint that it was fine-tuned from.

    Returns:
        Columns sample, network, checkpoint, attack, attribute, image, correct, flipped, pass, and `more`; and, as of
        `read_attempts`, doubtful.

    Raises:
        UserError: As `read_parquet`, or flipped attempts have no PASS.
    """
    if networks is None:
        networks = [each for group in tuned_groups(run) for each in group.networks]
    keys = ("sample", "network", "checkpoint", "attack", "attribute", "image", "correct", "flipped", "pass")
    keys += ("doubtful",) if run.doubt else ()
    attempts = read_parquet(path, [*keys, *more], networks=[each.name for each in networks])
    wanted = {(each.name, each.checkpoint) for each in networks}
    chosen = np.zeros(len(attempts), bool)
    for network, checkpoint in sorted(wanted):
        chosen |= ((attempts["network"] == network) & (attempts["checkpoint"] == checkpoint)).to_numpy(bool)
    attempts = attempts[chosen].reset_index(drop=True)
    require_scored(attempts, path)
    return attempts


def read_fine_tuning(path: Path) -> pd.DataFrame:
    """Read the table `fine_tuning`: its names are text, empty ones too.

    Raises:
        UserError: As `read_csv`.
    """
    frame = read_csv(path)
    return frame.assign(**{name: frame[name].fillna("").astype("str") for name in NAMES})
