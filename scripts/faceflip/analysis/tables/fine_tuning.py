"""Fine-tuning on what attacks found: robustness, errors and natural adversarial images after each diet.

Read the first sheet by rows. A diet helps where fewer images flip (or the median L2 that it takes is larger) than after
`control`, which learned equally long from clean images alone; `before` is the network that all of them began with, and
differs from `control` by what more training does. The price stands beside it: the error on the test split. Differences
are to the control of the same source and seed, in percentage points, or in the unit of the column. `*` marks those with
p < 0.05 over images, `†` those with p < 0.05 over seeds.

A rate of flips is of the images that the network itself classifies correctly, so it is of other images for each. The
median L2 counts images that never flipped as infinitely far: it is ∞ where at least half of them did not flip, and it
is the number to compare, since a median over flips alone falls when the hard images stop flipping. An attack that finds
nothing may itself have failed: a network that hides its gradients seems robust. Compare several attacks, the transfer
of old images, and the median of the line search.

Natural adversarial images are those that the source misclassified and an attack corrected. Cured ones of the sample
that the diet was made of may be learned by heart; cured ones of unseen images are not. The diets `natural` (the same
images without the perturbation) and `noise` (the same pixel values in other places) show whether it is needed at all.
Old adversarial images still flip where the new network answers otherwise on the image with the perturbation
than on the image without it; they fool it where its answer is wrong.

With few seeds intervals are wide, and one diet in twenty gets a mark by chance, for every column. (The CSV has a row a
measure, sample, attack and threshold, with both p; the networks of each seed stand beside their mean, and `before` has
an empty diet.)
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd

from faceflip.analysis.frames import Inputs
from faceflip.analysis.names import LABEL_NAMES, ordered
from faceflip.analysis.pages import MISSING, Cell, Column, Sheet, nothing
from faceflip.analysis.run import RunDescription
from faceflip.analysis.statistics.intervals import of_mean
from faceflip.analysis.tuned_evidence import TunedEvidence
from faceflip.analysis.tuned_measures import (
    COUNTS,
    ERRORS,
    FLIPS,
    MEDIANS,
    NATURAL,
    OLD_IMAGES,
    PARTS,
    TEST,
    WRONG,
    TunedMeasures,
    against,
    in_order,
    over_seeds,
)
from faceflip.analysis.tuned_pages import (
    FINE,
    HEADS,
    PASS,
    SHARE,
    SIZE,
    Form,
    difference_cell,
    groups_in,
    notes_on_tests,
    rows_of,
    value_cell,
)
from faceflip.analysis.tunings import MEAN, TunedGroup, fed_in, lead_attack

RATES = ("false negative", "false positive")
KEYS = ["source", "checkpoint", "network", "diet", "share", "sample", "attack", "threshold", "measure", "seed"]
VALUES = ["seeds", "value", "low", "high", "against_control", "control_low", "control_high", "p_seeds", "p_images"]


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Take all measures of the run's fine-tuned networks and of their sources.

    Returns:
        Columns source, checkpoint, network (groups), diet, share, sample (``test``: that split), attack,
        threshold, measure (of `MEASURES`), seed (``mean``, or that of one network), seeds (how many the mean is
        over), value (a median where some seeds are infinite), low, high (95 %, over seeds), against_control
        (mean difference to the controls, seed by seed), control_low, control_high, p_seeds (paired t-test),
        p_images (`clustered_mcnemar`, of errors). Shares are fractions; a measure without a number has no row.
    """
    evidence = TunedEvidence(inputs["attempts"], inputs["predictions"], run)
    measures = TunedMeasures(evidence, inputs["between"], inputs["tunings"])
    rows = [row for group in evidence.groups for row in _rows(group, evidence, measures)]
    frame = pd.DataFrame(rows, columns=[*KEYS, *VALUES])
    return frame.astype({"seeds": "int64"} | dict.fromkeys(["share", "threshold", *VALUES[1:]], "float64"))


def _rows(group: TunedGroup, evidence: TunedEvidence, measures: TunedMeasures) -> Iterator[dict]:
    about = {"source": group.source, "checkpoint": group.checkpoint, "network": group.name}
    about |= {"diet": group.diet, "share": group.share}
    found = {network: measures.of(network, evidence.scope(network)) for network in group.networks}
    beside = {network: measures.beside_control(network) for network in group.networks}
    for key in in_order({key for each in found.values() for key in each}, evidence.run):
        sample, attack, threshold, measure = key
        place = {**about, "sample": sample, "attack": attack, "measure": measure}
        place["threshold"] = math.nan if threshold is None else threshold
        values = {network: each[key] for network, each in found.items() if key in each}
        low, high = of_mean(list(values.values()))
        mean = over_seeds(list(values.values()))
        whole = {"seed": MEAN, "seeds": len(values), "value": mean, "low": low, "high": high}
        pairs = {
            network: (mine[key], its[key])
            for network, (mine, its) in beside.items()
            if key in mine and key in its and measure not in COUNTS
        }
        if pairs:
            whole |= against(list(pairs.values()))
            if measure == "error":
                whole["p_images"] = measures.p_over_images(pairs, sample)
        yield place | whole
        for network, value in values.items():
            row = place | {"seed": network.seed, "seeds": 1, "value": value}
            if network in pairs:
                row["against_control"] = against([pairs[network]])["against_control"]
            yield row


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay out the answer, a row a diet, then errors, rates and medians by attack, and what old images do."""
    cells = _Cells(frame, run)
    if not cells.groups:
        return [nothing("Fine-tuning", "This run fine-tunes no network.")]
    made = [_answer(cells), _errors(cells)]
    for sample in cells.samples(FLIPS[0]):
        made += [_rates(cells, sample), _medians(cells, sample)]
    made += [_old_images(cells)] if cells.samples(OLD_IMAGES[0]) else []
    return made + [_by_label(cells, sample) for sample in cells.samples(WRONG + PARTS["- firm"])]


class _Cells:
    """The means of the table by what they are of, and cells of them."""

    def __init__(self, frame: pd.DataFrame, run: RunDescription) -> None:
        means = frame[frame["seed"] == MEAN]
        self.run = run
        self.groups = groups_in(means, run)
        self._rows = {
            (row["source"], row["checkpoint"], row["network"], row["measure"], row["sample"], row["attack"])
            + (() if math.isnan(row["threshold"]) else (row["threshold"],)): row
            for row in means.to_dict("records")
        }

    def row(self, group: TunedGroup, measure: str, sample: str = "", attack: str = "", *threshold: float) -> dict:
        """Return what the table has of a measure, or an empty row."""
        return self._rows.get((group.source, group.checkpoint, group.name, measure, sample, attack, *threshold), {})

    def value(self, form: Form, group: TunedGroup, *of: str | float) -> Cell:
        """Return a cell of a measure."""
        return value_cell(self.row(group, *of), form)

    def plain(self, form: Form, group: TunedGroup, *of: str | float) -> Cell:
        """Return a cell of a measure without its interval."""
        return form.text(self.row(group, *of).get("value", math.nan))

    def against(self, form: Form, group: TunedGroup, *of: str | float) -> Cell:
        """Return a cell of the difference to the control."""
        return difference_cell(self.row(group, *of), form)

    def samples(self, measure: str) -> list[str]:
        """Return the samples that some network has a measure on."""
        return ordered({key[4] for key in self._rows if key[3] == measure}, [TEST, *self.run.samples])

    def attacks(self, measure: str, sample: str, group: TunedGroup | None = None) -> list[str]:
        """Return the attacks that some network, or one of the family of a group, has a measure by."""
        family = (group.source, group.checkpoint) if group else None
        found = {key[5] for key in self._rows if key[3:5] == (measure, sample) and family in (None, key[:2])}
        return ordered(found, [each.name for each in self.run.attack_list])

    def lead(self, group: TunedGroup, measure: str, sample: str) -> str:
        """Return the attack of the first sheet, or nothing where the family has none."""
        attacks = self.attacks(measure, sample, group)
        return lead_attack(attacks, self.run) if attacks else ""


def _answer(cells: _Cells) -> Sheet:
    tau, attacked = float(cells.run.threshold), cells.samples(FLIPS[0])
    fed = [name for name in fed_in(cells.groups, cells.run) if name in cells.samples(NATURAL[0])]
    natural = ordered(cells.samples(NATURAL[0]), dict.fromkeys([*fed, *attacked]))

    def row(group: TunedGroup) -> Iterator[Cell]:
        yield cells.plain(SIZE, group, "extra_images")
        yield cells.value(FINE, group, "error", TEST)
        yield cells.against(FINE, group, "error", TEST)
        yield cells.value(FINE, group, "balanced_error", TEST)
        for sample in attacked:
            of = (sample, cells.lead(group, FLIPS[0], sample))
            yield cells.value(SHARE, group, FLIPS[0], *of, tau)
            yield cells.against(SHARE, group, FLIPS[0], *of, tau)
            yield cells.value(SIZE, group, "median_l2_all", *of)
        yield from (cells.value(SHARE, group, "natural_cured", sample) for sample in natural)
        yield from (cells.value(SHARE, group, "natural_new", sample) for sample in attacked)
        for sample in cells.samples(OLD_IMAGES[0]):
            yield cells.value(SHARE, group, OLD_IMAGES[0], sample, cells.lead(group, OLD_IMAGES[0], sample), tau)
        yield cells.plain(SIZE, group, "minutes")

    columns = [Column("extra images")]
    columns += [Column(name, "test error, percent") for name in ("plain", "against control", "balanced")]
    for sample in attacked:
        columns += [Column(name, sample) for name in ("flipped, percent", "against control", "median L2")]
    columns += [Column(f"fed: {name}" if name in fed else name, "natural cured, percent") for name in natural]
    columns += [Column(name, "natural new, percent") for name in attacked]
    columns += [Column(name, "old images still flip, percent") for name in cells.samples(OLD_IMAGES[0])]
    rows, breaks = rows_of(cells.groups, row)
    title = "What each diet does to robustness and errors"
    return Sheet(title, [*HEADS, *columns, Column("minutes")], rows, _notes(cells, attacked, fed), breaks)


def _notes(cells: _Cells, attacked: Sequence[str], fed: Sequence[str]) -> list[str]:
    run = cells.run
    notes = []
    for sample in attacked:
        counts: dict[str, list[float]] = {}
        for group in cells.groups:
            attack = cells.lead(group, FLIPS[0], sample)
            if count := cells.row(group, "attempts", sample, attack).get("value"):
                counts.setdefault(attack, []).append(count)
        for attack, found in counts.items():
            many = " to ".join(dict.fromkeys(f"{count:,.0f}" for count in (min(found), max(found))))
            notes.append(f"{sample}: {many} attempts on each network by {attack}, the attack of this sheet.")
    if attacked:
        notes.append(
            f"Flipped: with a PASS of at least {run.threshold:g}, of the images that the network classifies correctly. "
            "Median L2: of all these, ∞ where at least half of them did not flip."
        )
    if fed:
        notes.append(
            f"Fed: the diets were made of attempts on {', '.join(fed)}. New natural images are in percent of those "
            "before."
        )
    return [*notes, *notes_on_tests(cells.groups, run)]


def _errors(cells: _Cells) -> Sheet:
    samples = cells.samples("error")

    def row(group: TunedGroup) -> Iterator[Cell]:
        for sample in samples:
            for measure in ERRORS[:2]:
                yield cells.value(FINE, group, measure, sample)
                yield cells.against(FINE, group, measure, sample)
            yield from (cells.value(FINE, group, measure, sample) for measure in ERRORS[2:])

    rows, breaks = rows_of(cells.groups, row)
    names = ("plain", "plain against control", "balanced", "balanced against control", *RATES)
    columns = [Column(name, f"{sample}, percent") for sample in samples for name in names]
    notes = [
        "Means over attributes; balanced: first over the two classes of each. Test is the whole test split.",
        "False negative: of images whose label is present, those that are called absent; false positive: of images "
        "whose label is absent, those that are called present.",
    ]
    return Sheet("Errors on the test split and the samples", [*HEADS, *columns], rows, notes, breaks)


def _by_attack(
    cells: _Cells, attacks: Sequence[str], row: Callable[[TunedGroup, str], Iterable[Cell]]
) -> tuple[list[list[Cell]], frozenset[int]]:
    """Return rows by attack, those that have something, and where rules go."""
    rows: list[list[Cell]] = []
    breaks = set()
    for attack in attacks:
        found, inner = rows_of(cells.groups, lambda group, attack=attack: row(group, attack))
        breaks |= {len(rows)} | {len(rows) + place for place in inner}
        rows += [[attack, *each] for each in found]
    kept = [place for place, each in enumerate(rows) if any(cell != MISSING for cell in each[3:])]
    places = {sum(place < at for place in kept) for at in breaks}
    return [rows[place] for place in kept], frozenset(places - {0, len(kept)})


def _thresholds(cells: _Cells) -> list[float]:
    return sorted({*map(float, cells.run.thresholds), float(cells.run.threshold)})


def _rates(cells: _Cells, sample: str) -> Sheet:
    thresholds = _thresholds(cells)

    def row(group: TunedGroup, attack: str) -> Iterator[Cell]:
        for measure in FLIPS:
            yield from (cells.value(SHARE, group, measure, sample, attack, tau) for tau in thresholds)

    rows, breaks = _by_attack(cells, cells.attacks(FLIPS[0], sample), row)
    signs = ("classified correctly (+)", "misclassified (−)")
    columns = [Column(f"τ = {tau:g}", sign) for sign in signs for tau in thresholds]
    title = f"Flipped by least PASS, {sample}, percent"
    return Sheet(title, [Column("attack", align="l"), *HEADS, *columns], rows, (), breaks)


def _medians(cells: _Cells, sample: str) -> Sheet:
    def row(group: TunedGroup, attack: str) -> Iterator[Cell]:
        for measure in MEDIANS:
            yield cells.value(PASS if measure == "median_pass" else SIZE, group, measure, sample, attack)
        yield cells.against(SIZE, group, MEDIANS[-1], sample, attack)

    rows, breaks = _by_attack(cells, cells.attacks("attempts", sample), row)
    columns = [Column(name, "median of the flips") for name in ("ε", "L2", "L∞", "PASS")]
    columns += [Column(name, "median of all") for name in ("L2", "against control")]
    notes = [
        "Of images that the network classifies correctly; of all: those that did not flip are infinitely far. Where "
        "some seeds are at ∞, the median over seeds stands in place of their mean."
    ]
    title = f"Size of the perturbations, {sample}"
    return Sheet(title, [Column("attack", align="l"), *HEADS, *columns], rows, notes, breaks)


def _old_images(cells: _Cells) -> Sheet:
    samples, tau = cells.samples(OLD_IMAGES[0]), float(cells.run.threshold)
    attacks = [name for sample in samples for name in cells.attacks(OLD_IMAGES[0], sample)]

    def row(group: TunedGroup, attack: str) -> Iterator[Cell]:
        for sample in samples:
            yield cells.value(SHARE, group, OLD_IMAGES[0], sample, attack, tau)
            yield cells.against(SHARE, group, OLD_IMAGES[0], sample, attack, tau)
            yield from (cells.value(SHARE, group, measure, sample, attack, tau) for measure in OLD_IMAGES[1:])

    rows, breaks = _by_attack(cells, ordered(attacks, [each.name for each in cells.run.attack_list]), row)
    names = ("still flip", "against control", "fool it", "both signs change")
    columns = [Column(name, f"{sample}, percent") for sample in samples for name in names]
    notes = [
        f"Adversarial images of the source with a PASS of at least {tau:g}. Still flip: the network answers otherwise "
        "than on the image without the perturbation; fool it: its answer is wrong; both of images that the source "
        "classified correctly. The last column is of those that it misclassified, too."
    ]
    title = "Adversarial images of the source, shown to the new networks"
    return Sheet(title, [Column("attack", align="l"), *HEADS, *columns], rows, notes, breaks)


def _by_label(cells: _Cells, sample: str) -> Sheet:
    thresholds = _thresholds(cells)

    def row(group: TunedGroup, attack: str) -> Iterator[Cell]:
        for part in PARTS.values():
            yield cells.plain(SIZE, group, WRONG + part, sample, attack)
            yield from (cells.value(SHARE, group, FLIPS[1] + part, sample, attack, tau) for tau in thresholds)

    rows, breaks = _by_attack(cells, cells.attacks(COUNTS[0], sample), row)
    names = ["misclassified", *(f"τ = {tau:g}, percent" for tau in thresholds)]
    columns = [Column(name, f"label {label}") for label in LABEL_NAMES.values() for name in names]
    notes = [
        "The misclassified images (−) again, by whether their label is in doubt: a network that answers otherwise than "
        "a wrong label is right, and what flips it then corrects nothing. Each rate is of the misclassified images "
        "beside it.",
        *cells.run.doubt_notes,
        "Natural adversarial images cured, left and new are split in the same way in the table `fine_tuning_natural`.",
    ]
    title = f"Misclassified images flipped by least PASS, label firm and label in doubt, {sample}"
    return Sheet(title, [Column("attack", align="l"), *HEADS, *columns], rows, notes, breaks)
