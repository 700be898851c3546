"""Natural adversarial images after fine-tuning: how many are cured, left and new, on images it was fed and on others.

A natural adversarial image is a pair of image and attribute that the network misclassifies and some attack corrects
with a PASS of at least tau. `before` are those of the source. Of these the new network classifies the `cured`
correctly, and the `left` not. `new` are those of the new network that were none of the source's, and `after` is all
that it has; some of those left may be natural adversarial no more, as no attack corrects them now.

To tell cure from memory compare the samples. The one that the diets were made of (`fed`) was learned from: a network
can know its images by heart, and what is cured there proves nothing. Images of the other samples took no part in the
fine-tuning; those of a training split were learned from by the source, those of the test split were never seen. A diet
that cures what it was fed, and on unseen images no more than `control` does, has taught the network those images. A
diet that cures on unseen images, too, has taught it something about the attribute. Compare with `control` each time:
longer training alone cures some and makes new ones. Compare with `natural` as well, the same images without a
perturbation: if it cures as many, the perturbation was not needed. A cure that brings as many new ones is none.

The network is not attacked on the sample that it was fed, so nothing there is new. The tests of cured images against
control are of the images that the source had before alone. (In the CSV counts are means over seeds, beside the rows of
each seed; cured_share is of before, and the differences are of it.)
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from faceflip.analysis.frames import Inputs
from faceflip.analysis.names import LABEL_NAMES, ordered
from faceflip.analysis.pages import Cell, Column, Sheet, nothing
from faceflip.analysis.run import RunDescription
from faceflip.analysis.statistics.intervals import of_mean
from faceflip.analysis.statistics.paired import clustered_mcnemar
from faceflip.analysis.tuned_evidence import Naturals, TunedEvidence
from faceflip.analysis.tuned_measures import against
from faceflip.analysis.tuned_pages import (
    HEADS,
    SHARE,
    SIZE,
    difference_cell,
    groups_in,
    notes_on_tests,
    rows_of,
    value_cell,
)
from faceflip.analysis.tunings import MEAN, TunedGroup, TunedNetwork, fed_in
from faceflip.catalogue import DIETS

TITLE = "Natural adversarial images{}: cured, left and new"
FALSE = "Where an image is cured whose label is wrong, a false label was learned"
FALSE_ON_PURPOSE = (
    "Some labels of drawn faces are wrong on purpose: where such an image is cured, a false label was learned"
)
LIKE = "What was fed, differences, marks and intervals are as above."
COUNTS = ["before", "cured", "left", "new", "after"]
KEYS = ["source", "checkpoint", "network", "diet", "share", "sample", "fed", "sign", "seed", "seeds"]
NUMBERS = [*COUNTS, "cured_share", "low", "high"]
NUMBERS += ["against_control", "control_low", "control_high", "p_seeds", "p_images"]


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Count the natural adversarial images of sources and of what was fine-tuned from them.

    Returns:
        Columns source, checkpoint, network (groups), diet, share, sample, fed (whether its extra images were made of
        attempts on the sample), sign (``-``, or of `SPLIT_SIGNS`; only where something says which labels are in doubt),
        seed (``mean``, or that of one network), seeds, before, cured, left, new, after (pairs of image and attribute;
        the last two NaN where the network was not attacked), cured_share (of those before; NaN without any) with low
        and high (95 %, over seeds), its mean difference against_control with control_low, control_high, p_seeds
        (paired t-test) and p_images (`clustered_mcnemar`, of the images before).
    """
    evidence = TunedEvidence(inputs["attempts"], inputs["predictions"], run)
    rows = [row for group in evidence.groups for row in _rows(group, evidence)]
    columns = [name for name in (*KEYS, *NUMBERS) if name != "sign" or run.doubt]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"fed": "bool", "seeds": "int64"} | dict.fromkeys(["share", *NUMBERS], "float64"))


def _rows(group: TunedGroup, evidence: TunedEvidence) -> Iterator[dict]:
    tuned = [each for each in group.networks if each.tuning]
    samples = {name for each in tuned for name in evidence.answers(each)}
    about = {"source": group.source, "checkpoint": group.checkpoint, "network": group.name}
    about |= {"diet": group.diet, "share": group.share}
    for sample in ordered(samples, evidence.run.samples):
        place = about | {"sample": sample, "fed": any(each.tuning.sample == sample for each in tuned)}
        found = {each: evidence.naturals(each, sample, evidence.scope(each)) for each in tuned}
        found = {each: naturals for each, naturals in found.items() if naturals}
        beside = {each: _beside_control(each, sample, evidence) for each in found}
        for sign in evidence.signs if found else ():
            counts = {each: _counts(naturals.of(sign)) for each, naturals in found.items()}
            pairs = {each: tuple(one.of(sign) for one in pair) for each, pair in beside.items() if pair}
            pairs = {each: pair for each, pair in pairs.items() if all(one.before.any() for one in pair)}
            yield from (place | {"sign": sign} | row for row in _of_sign(counts, pairs))


def _of_sign(
    counts: Mapping[TunedNetwork, dict[str, float]], pairs: Mapping[TunedNetwork, tuple[Naturals, Naturals]]
) -> Iterator[dict]:
    """Yield the mean of the counts of networks, then those of each; `pairs` are beside their controls."""
    shares = [each["cured_share"] for each in counts.values() if not math.isnan(each["cured_share"])]
    low, high = of_mean(shares)
    whole = {name: _mean([each[name] for each in counts.values()]) for name in [*COUNTS, "cured_share"]}
    whole |= {"seed": MEAN, "seeds": len(counts), "low": low, "high": high}
    yield whole | (_tests(list(pairs.values())) if pairs else {})
    for network, its in counts.items():
        row = its | {"seed": network.seed, "seeds": 1}
        yield row | ({"against_control": _tests([pairs[network]])["against_control"]} if network in pairs else {})


def _counts(naturals: Naturals) -> dict[str, float]:
    counts = dict.fromkeys(COUNTS, math.nan) | naturals.counts
    return counts | {"cured_share": counts["cured"] / counts["before"] if counts["before"] else math.nan}


def _mean(values: Sequence[float]) -> float:
    """Return the mean of those that are numbers."""
    values = [value for value in values if not math.isnan(value)]
    return float(np.mean(values)) if values else math.nan


def _beside_control(network: TunedNetwork, sample: str, evidence: TunedEvidence) -> tuple[Naturals, Naturals] | None:
    """Return the natural images of a network and of its control over what both have; None without a control."""
    control = evidence.control(network)
    if control is None:
        return None
    both = evidence.scope(network) & evidence.scope(control)
    mine, its = (evidence.naturals(each, sample, both) for each in (network, control))
    return (mine, its) if mine and its else None


def _tests(pairs: Sequence[tuple[Naturals, Naturals]]) -> dict[str, float]:
    """Return the tests of cured shares of networks against those of their controls."""
    shares = [tuple(_counts(each)["cured_share"] for each in pair) for pair in pairs]
    trials = []
    for mine, its in pairs:
        before = mine.before & its.before
        images = np.broadcast_to(mine.answers.images, before.shape)
        trials.append((mine.answers.wrong[before], its.answers.wrong[before], images[before]))
    test = clustered_mcnemar(*map(np.concatenate, zip(*trials, strict=True)))
    return against(shares) | {"p_images": test.p}


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the counts out with a row a diet, and the samples side by side, those that were fed first.

    Where something says which labels are in doubt, two more sheets have the images whose label is firm, and the others.
    """
    title = TITLE.format("")
    if frame.empty:
        return [nothing(title, "No fine-tuned network was shown images whose natural adversarial ones are known.")]
    means = frame[frame["seed"] == MEAN]
    groups = groups_in(means, run)
    fed = fed_in(groups, run)
    samples = ordered(means["sample"], dict.fromkeys([*fed, *run.samples]))
    shown = {
        name: COUNTS if means.loc[means["sample"] == name, "new"].notna().any() else COUNTS[:3] for name in samples
    }
    columns = []
    for sample in samples:
        heading = f"fed: {sample}" if sample in fed else sample
        for name in shown[sample]:
            names = ["cured, percent", "against control"] if name == "cured" else [name]
            columns += [Column(each, heading) for each in names]
    notes = ["Pairs of image and attribute; cured are in percent of those before."]
    if any(sample in fed for sample in samples):
        without = ", ".join(name for name, diet in DIETS.items() if not diet.of_store)
        notes.append(f"Fed: diets were made of attempts on this sample; {without} have no extra images of it.")
    notes += notes_on_tests(groups, run)
    if run.synthetic or run.doubt:
        apart = "; the sheets below count images whose label is firm apart from those whose label is in doubt"
        notes.append((FALSE_ON_PURPOSE if run.synthetic else FALSE) + (apart if run.doubt else "") + ".")

    def sheet(title: str, means: pd.DataFrame, notes: Sequence[str]) -> Sheet:
        keys = ["source", "checkpoint", "network", "sample"]
        found = {tuple(row[key] for key in keys): row for row in means.to_dict("records")}
        cells = {key: list(_cells(row, shown[key[-1]])) for key, row in found.items()}
        empty = {name: list(_cells({}, shown[name])) for name in samples}

        def of(group: TunedGroup) -> Iterator[Cell]:
            for sample in samples:
                yield from cells.get((group.source, group.checkpoint, group.name, sample), empty[sample])

        rows, breaks = rows_of(groups, of)
        return Sheet(title, [*HEADS, *columns], rows, notes, breaks)

    if not run.doubt:
        return [sheet(title, means, notes)]
    of_sign = dict(list(means.groupby("sign")))
    return [sheet(title, of_sign["-"], notes)] + [
        sheet(TITLE.format(f", label {name}"), of_sign[sign], [f"{notes[0]} {LIKE}", *run.doubt_notes])
        for sign, name in LABEL_NAMES.items()
    ]


def _cells(row: dict, names: Sequence[str]) -> Iterator[Cell]:
    for name in names:
        if name == "cured":
            yield value_cell(row, SHARE, "cured_share")
            yield difference_cell(row, SHARE)
        else:
            yield SIZE.text(row.get(name, math.nan))
