"""What each statement of the paper is judged by: functions from the evidence to what was found, part by part."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np

from faceflip.analysis.claims.evidence import Evidence, Numbers
from faceflip.analysis.names import SEARCHES, SIGNS, display_name, search_name
from faceflip.analysis.run import CONVERGED
from faceflip.analysis.statistics.intervals import wilson
from faceflip.analysis.statistics.verdicts import FAILS, HOLDS, OPEN, all_of, beyond, larger
from faceflip.catalogue import ITERATIVE, LINE

GENERIC = {"facetracer": "FaceTracer", "lnets_anet": "LNets+ANet"}
BIASED = ("Narrow_Eyes", "Double_Chin")
DRAMATIC = ("Wearing_Necktie", "Wearing_Earrings", "Blurry")
EASY, IMPOSSIBLE, EMPTY = ("Big_Nose", "Young"), ("Wavy_Hair", "Wearing_Necklace"), ("Wearing_Earrings", "Wearing_Hat")
BEARDS = ("Goatee", "Mustache", "Sideburns")
UNATTRACTIVE = ("Blurry", "Chubby", "Double_Chin", "Receding_Hairline", "Young")
NOSES = ("Bald", "Chubby", "Double_Chin", "Gray_Hair", "Receding_Hairline")
UNAFFECTED = ("Bald", "Blurry", "Pale_Skin", "Wearing_Hat", "Wearing_Necktie")
"""The attributes that the statements are about."""

ALMOST_ALL, NOTHING = 0.9, 0.05
"""What "almost all" and "not affected" are taken for."""

Finding = tuple[str, str]
"""What was found, in words (none where there is nothing), and the verdict on it."""

Judge = Callable[[Evidence], Iterator[Finding]]


def _finding(words: str, verdict: str, *numbers: float) -> Finding:
    """Return a finding, without words where a number is missing."""
    return "" if any(map(math.isnan, numbers)) else words, verdict


def _percent(numbers: Numbers) -> str:
    """Return a share as percent with its interval."""
    value, low, high = (f"{100 * number:.1f}" for number in numbers)
    return f"{value} %" if low == high else f"{value} % [{low}, {high}]"


def _compared(name: str, first: tuple[str, Numbers], second: tuple[str, Numbers]) -> Finding:
    """Return whether the first of two named numbers is the larger one."""
    words = f"{name}: {first[0]} {_percent(first[1])}, {second[0]} {_percent(second[1])}"
    return _finding(words, larger(first[1][1:], second[1][1:]), *first[1], *second[1])


def _bounded(name: str, numbers: Numbers, side: str, bound: float) -> Finding:
    """Return whether a named share is above or below a bound."""
    return _finding(f"{name}: {_percent(numbers)}", beyond(side, bound, *numbers[1:]), *numbers, bound)


def trivial_beats_generic(found: Evidence) -> Iterator[Finding]:
    """Yield whether published errors are above Trivial's on biased attributes."""
    for attribute, (method, title) in product(BIASED, GENERIC.items()):
        about = (title, found.error(method, attribute)), ("Trivial", found.error("trivial_train", attribute))
        yield _compared(display_name(attribute), *about)


def only_networks_beat_trivial(found: Evidence) -> Iterator[Finding]:
    """Yield on how many attributes each method is better than Trivial: networks on all, the published ones not."""
    attributes = found.run.attacked
    trivial = {name: found.error("trivial_train", name)[0] for name in attributes}
    for method, title in {"euclidean": "separate networks", "moon": "MOON", **GENERIC}.items():
        errors = {name: found.error(method, name) for name in attributes}
        better = sum(errors[name][0] < trivial[name] for name in attributes)
        if method in GENERIC:
            judged = HOLDS if better < len(attributes) else FAILS
        else:
            judged = all_of(beyond("below", trivial[name], *errors[name][1:]) for name in attributes)
        known = not any(math.isnan(numbers[0]) for numbers in errors.values())
        yield (f"{title} better on {better} of {len(attributes)}", judged) if known else ("", OPEN)


def dramatic_gains(found: Evidence) -> Iterator[Finding]:
    """Yield relative improvements over published errors on some attributes, beside that of the means."""
    attributes = found.run.attacked
    for (method, title), attribute in product(GENERIC.items(), DRAMATIC):
        mine, theirs = (sum(found.error(each, name)[0] for name in attributes) for each in ("euclidean", method))
        (value, low, high), other = found.error("euclidean", attribute), found.error(method, attribute)[0]
        gain = (1 - value / other, 1 - high / other, 1 - low / other)
        words = f"{display_name(attribute)}, {title}: {_percent(gain)} less, {100 - 100 * mine / theirs:.1f} % over all"
        yield _finding(words, beyond("above", 1 - mine / theirs, *gain[1:]), *gain)


def flips_most(found: Evidence) -> Iterator[Finding]:
    """Yield on which attributes any attack makes most images adversarial, and on which none."""
    attacks = [f"{method}-{search}" for method in ("fgs", "ffa") for search in SEARCHES]
    for attribute in EASY:
        count, of = found.adversarial_images("euclidean", attribute, *attacks)
        low, high = (float(end) for end in wilson(count, of))
        yield _bounded(display_name(attribute), (count / of if of else math.nan, low, high), "above", 0.5)
    for attribute in IMPOSSIBLE:
        yield _none(found, attribute, *attacks)


def _none(found: Evidence, attribute: str, *attacks: str) -> Finding:
    count, of = found.adversarial_images("euclidean", attribute, *attacks)
    words = f"{display_name(attribute)}: {count:,} of {of:,} images"
    return (words, FAILS if count else HOLDS) if of else ("", OPEN)


def empty_columns(found: Evidence) -> Iterator[Finding]:
    """Yield whether attributes have no adversarial image by FFA with line search."""
    yield from (_none(found, attribute, f"ffa-{LINE}") for attribute in EMPTY)


def signs(found: Evidence) -> Iterator[Finding]:
    """Yield whether misclassified pairs flip more often than correct ones."""
    for method, search in product(("fgs", "ffa"), SEARCHES):
        plus, minus = (found.rate("euclidean", method, search, sign, found.run.threshold) for sign in SIGNS)
        yield _compared(f"{method.upper()}, {search_name(search)}", ("misclassified", minus), ("correct", plus))


def methods(found: Evidence) -> Iterator[Finding]:
    """Yield whether FFA makes more adversarial images than FGS."""
    for search in SEARCHES:
        fgs, ffa = (found.rate("euclidean", method, search, "+", found.run.threshold) for method in ("fgs", "ffa"))
        yield _compared(search_name(search), ("FFA", ffa), ("FGS", fgs))


def gap_widens(found: Evidence) -> Iterator[Finding]:
    """Yield whether FFA's advance over FGS grows from each threshold to the next."""
    thresholds = sorted(found.run.thresholds)
    fgs, ffa = (
        [found.rate("euclidean", method, LINE, "+", each)[0] for each in thresholds] for method in ("fgs", "ffa")
    )
    gaps = [100 * (second - first) for first, second in zip(fgs, ffa, strict=True)]
    words = ", ".join(f"{gap:+.1f} at {threshold:g}" for threshold, gap in zip(thresholds, gaps, strict=True))
    grows = all(np.diff(gaps) > 0)
    judged = OPEN if any(map(math.isnan, gaps)) else HOLDS if grows else FAILS
    yield _finding(f"FFA less FGS, points: {words}", judged, *gaps)


def moon_flips_everywhere(found: Evidence) -> Iterator[Finding]:
    """Yield on how many attributes MOON has adversarial images."""
    for search in SEARCHES:
        counts = [found.adversarial_images("moon", name, f"ffa-{search}") for name in found.run.attacked]
        some, of = sum(count > 0 for count, _ in counts), sum(images > 0 for _, images in counts)
        words = f"{search_name(search)}: {some} of {of} attributes"
        yield (words, HOLDS if some >= ALMOST_ALL * of else FAILS) if of else ("", OPEN)


def networks(found: Evidence) -> Iterator[Finding]:
    """Yield whether MOON has more adversarial images than separate networks."""
    for search in SEARCHES:
        moon, separate = (found.rate(role, "ffa", search, "+", found.run.threshold) for role in ("moon", "euclidean"))
        yield _compared(search_name(search), ("MOON", moon), ("separate", separate))


def searches(found: Evidence) -> Iterator[Finding]:
    """Yield whether the iterative search makes more adversarial images than the line search."""
    for role, method, name in PAIRS:
        line, iterative = (found.rate(role, method, search, "+", found.run.threshold) for search in SEARCHES)
        yield _compared(name, ("iterative", iterative), ("line search", line))


PAIRS = (("euclidean", "fgs", "FGS"), ("euclidean", "ffa", "FFA"), ("moon", "ffa", "MFFA"))
"""Networks and methods of the paper that have both searches, with the names of the attacks."""


def better_images(found: Evidence) -> Iterator[Finding]:
    """Yield whether the iterative search has the higher PASS, pair by pair."""
    for role, method, name in PAIRS:
        value, low, high = found.more_similar(role, method)
        yield _finding(f"{name}: PASS {value:+.4f} [{low:+.4f}, {high:+.4f}]", beyond("above", 0, low, high), value)


def softmax(found: Evidence) -> Iterator[Finding]:
    """Yield whether softmax networks flip more often at all thresholds."""
    thresholds = found.run.thresholds
    for method, search, sign in product(("fgs", "ffa"), SEARCHES, SIGNS):
        rates = [
            [found.rate(role, method, search, sign, each) for role in ("softmax", "euclidean")] for each in thresholds
        ]
        verdicts = [larger(first[1:], second[1:]) for first, second in rates]
        more = sum(first[0] > second[0] for first, second in rates)
        words = f"{method.upper()}{sign}, {search_name(search)}: more at {more} of {len(rates)} thresholds"
        yield _finding(words, all_of(verdicts), *(numbers[0] for pair in rates for numbers in pair))


def insignificant(other: str) -> Judge:
    """Judge whether separate networks are worse than MOON, or softmax ones worse than they, without significance."""

    def judge(found: Evidence) -> Iterator[Finding]:
        difference, p = (
            found.statistic(f"ttest_attributes_euclidean_vs_{other}_{part}")[0] for part in ("difference", "p")
        )
        right = difference < 0 if other == "softmax" else difference > 0
        words = f"{100 * difference:+.2f} points, p {p:.2g}"
        yield _finding(words, OPEN if math.isnan(p) else HOLDS if right and p >= 0.05 else FAILS, difference, p)

    return judge


def share(statistic: str, side: str, bound: float, name: str) -> Judge:
    """Judge whether a statistic is above or below a bound."""

    def judge(found: Evidence) -> Iterator[Finding]:
        yield _bounded(name, found.statistic(statistic), side, bound)

    return judge


def natural(found: Evidence) -> Iterator[Finding]:
    """Yield the share of natural adversarial images on MOON by each search."""
    for search in SEARCHES:
        yield _bounded(search_name(search), found.statistic(f"natural_moon_{CONVERGED}_ffa-{search}"), "above", 0.9)


def larger_of(name: str, first: tuple[str, str], second: tuple[str, str]) -> Judge:
    """Judge whether one statistic is larger than another, each with its name before it."""

    def judge(found: Evidence) -> Iterator[Finding]:
        yield _compared(name, *((title, found.statistic(statistic)) for title, statistic in (first, second)))

    return judge


def narrow_eyes(found: Evidence) -> Iterator[Finding]:
    """Yield at which epoch the network of Narrow Eyes had converged."""
    table = found.tables["trainings"]
    chosen = (table["network"] == found.names.get("euclidean")) & (table["member"] == "Narrow_Eyes")
    kept = table.loc[chosen, "kept"].tolist()
    yield (f"epoch {kept[0]}", HOLDS if kept[0] == 2 else FAILS) if kept else ("", OPEN)


def lost_are_correct(found: Evidence) -> Iterator[Finding]:
    """Yield how many natural adversarial images that are no longer such are classified correctly later."""
    for method in ("fgs", "ffa"):
        share = found.statistic(f"natural_lost_correct_euclidean_{method}")
        yield _bounded(method.upper(), share, "above", 0.5)


def flip(sources: Sequence[str], target: str, bound: float | None, which: str = ITERATIVE) -> Judge:
    """Judge whether images of each source flip the target on MOON more often than the bound (None: than the mean)."""

    def judge(found: Evidence) -> Iterator[Finding]:
        limit = found.statistic(f"correlation_{which}_others")[0] if bound is None else bound
        for source in sources:
            name = f"{display_name(source)} → {display_name(target)}"
            yield _bounded(name, found.correlation(which, source, target), "above", limit)

    return judge


def one_way(found: Evidence) -> Iterator[Finding]:
    """Yield whether kinds of beards flip No Beard, and it does not flip them."""
    yield from flip(BEARDS, "No_Beard", 0.7)(found)
    for target in BEARDS:
        name = f"No Beard → {display_name(target)}"
        yield _bounded(name, found.correlation(ITERATIVE, "No_Beard", target), "below", 0.7)


def iterative_flips_related(found: Evidence) -> Iterator[Finding]:
    """Yield whether kinds of beards flip No Beard more often with the iterative search."""
    for source in BEARDS:
        line, iterative = (found.correlation(search, source, "No_Beard") for search in SEARCHES)
        yield _compared(f"{display_name(source)} → No Beard", ("iterative", iterative), ("line search", line))


def unaffected(found: Evidence) -> Iterator[Finding]:
    """Yield which other attribute's images flip some attributes most, and whether any does."""
    for target, search in product(UNAFFECTED, SEARCHES):
        cells = {
            source: numbers
            for source in found.run.attacked
            if source != target and not math.isnan((numbers := found.correlation(search, source, target))[0])
        }
        verdicts = all_of(beyond("below", NOTHING, *numbers[1:]) for numbers in cells.values())
        if cells:
            most = max(cells, key=lambda source: cells[source][0])
            words = f"{100 * cells[most][0]:.1f} % by {display_name(most)}"
            yield f"{display_name(target)}, {search_name(search)}: at most {words}", verdicts
        else:
            yield "", OPEN
