"""The numbers of the paper's text: means, relative improvements, t-tests, counts, averages of the matrices.

Each statistic has an id that stays; `paper_comparison` and other programs find it by that. Shares come with their
count, what they are a share of, and a 95 % interval: Wilson's, or, where attempts on one image come together, that of a
bootstrap that draws images (of means of a matrix, too). The t-tests are two-sided and paired, once over attributes (as
many pairs as attributes) and once over test images (each image's share of wrong attributes), because the paper does not
say which it used; with the size of the effect (Cohen's d_z), since over many images any difference is significant. Some
directions lead away from the boundary, and such attempts flip only where the network bends back: they are counted, with
how many of them flip and how many of the others. Pairs of image and attribute whose label is unknown count nowhere.
Balanced errors, which are not in the paper, are means of an attribute's errors on images with it and without it.

Of CelebA alone: what is marked with † rests on published cells of MOON that are unconfirmed, as only their mean over
all 40 attributes is in print.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from faceflip.analysis.frames import Inputs, adversarial, read_attempts, read_csv, read_predictions, wide, with_parts
from faceflip.analysis.matrices import mean_interval, read_transfers, summary
from faceflip.analysis.names import LABEL_NAMES, checkpoint_name, method_name, search_name
from faceflip.analysis.pages import Cell, Column, Sheet, marked, number, parts, percent_cell
from faceflip.analysis.run import PAPER_EARLY, RunDescription
from faceflip.analysis.statistics.intervals import clustered, wilson
from faceflip.analysis.statistics.paired import paired_t_test
from faceflip.analysis.tables.checkpoint_overlap import ATTACK, pair_checkpoints
from faceflip.analysis.tables.classification_error import (
    PUBLISHED,
    RATES,
    UNCONFIRMED,
    UNCONFIRMED_NOTE,
    classification_error,
    complete_errors,
    method_id,
    methods_of,
    unconfirmed,
)
from faceflip.attempt import CONVERGED, FINAL
from faceflip.catalogue import LINE

ERRORS, IMPROVEMENTS, BALANCED = "errors", "relative improvements", "balanced errors"
TESTS = "paired t-tests"
COUNTS, PROGRESS, DIRECTIONS, MATRICES = "adversarial images", "progress", "directions", "portability and correlation"
FIRM, DOUBTFUL = "firm", "doubtful"
"""Words of ids; the second one is the column, too."""


def compared(run: RunDescription) -> Iterator[tuple[str, str]]:
    """Yield which errors are tested against which.

    The first network against each other one, each early checkpoint against the converged one, the first of each kind
    against Trivial, and the first against published errors.
    """
    first, *others = run.networks
    yield from ((first.name, other.name) for other in others)
    yield from ((method_id(network.name, name), network.name) for network in run.networks for name in network.early)
    leads = (networks[0] for networks in (run.separate, run.joint) if networks)
    yield from ((network.name, "trivial_train") for network in leads)
    yield from ((first.name, published) for published in ("lnets_anet", "facetracer", "moon_published"))


@dataclass(frozen=True)
class Statistic:
    """One number of the statistics table.

    Attributes:
        id: Stable name.
        quantity: What it is, in words, below the heading `group`.
        unit: ``share`` (fraction), ``count``, or what the number is.
        count: Numerator of a share.
        of: Denominator of a share, or how many values a mean is over.
        low: Lower end of the 95 % interval; `high` is the upper one.
    """

    id: str
    group: str
    quantity: str
    value: float
    unit: str
    count: float = math.nan
    of: float = math.nan
    low: float = math.nan
    high: float = math.nan


def _share(id_: str, group: str, quantity: str, count: int, of: int) -> Statistic:
    low, high = (float(end) for end in wilson(count, of))
    return Statistic(id_, group, quantity, count / of if of else math.nan, "share", count, of, low, high)


def _pooled(id_: str, group: str, quantity: str, image: pd.Series, hit: pd.Series, among: pd.Series | None = None):
    """Return the share of hits among pairs of image and attribute (all of them), as `clustered` by image sees it."""
    images, place = np.unique(image.to_numpy(), return_inverse=True)
    chosen = np.ones(len(place), bool) if among is None else among.to_numpy(bool)
    successes, trials = (
        np.bincount(place, weights=which, minlength=len(images))[:, None]
        for which in (chosen & hit.to_numpy(bool), chosen)
    )
    count, of = int(successes.sum()), int(trials.sum())
    low, high = (float(end[0]) for end in clustered(successes, trials))
    return Statistic(id_, group, quantity, count / of if of else math.nan, "share", count, of, low, high)


def error_statistics(errors: pd.DataFrame, run: RunDescription) -> Iterator[Statistic]:
    """Yield mean errors over the attacked attributes, relative improvements, and how many attributes are better.

    After them the same of balanced errors and of the errors of the two classes, which published methods do not have.
    Published errors are those on CelebA: on other images nothing is compared with them.
    """
    table, names = complete_errors(errors, run.attacked), methods_of(run)
    means, pairs = table.mean(), len(table)
    others = ("trivial_train", "trivial_test", *(("facetracer", "lnets_anet") if run.dataset == "celeba" else ()))
    for method in table.columns:
        quantity = f"mean error, {names[method]}{unconfirmed(method, pairs)}"
        yield Statistic(f"error_{method}", ERRORS, quantity, means[method], "share", of=pairs)
    for network in (name for name in run.network_names if name in table):
        for other in others:
            quantity = f"improvement of {names[network]} over {names[other]}"
            gain = (means[other] - means[network]) / means[other] if means[other] else math.nan
            yield Statistic(f"improvement_{network}_over_{other}", IMPROVEMENTS, quantity, gain, "share", of=pairs)
        quantity = f"attributes on which {names[network]} has less error than Trivial with the train majority"
        better = int((table[network] < table["trivial_train"]).sum())
        yield _share(f"attributes_{network}_beats_trivial_train", ERRORS, quantity, better, pairs)
    first = run.network_names[0]
    if run.dataset == "celeba" and {first, "lnets_anet"} <= set(table):
        kept = errors[(errors["method"] == first) & errors["attribute"].isin(run.attacked)].set_index("attribute")
        low, value, high = ((kept[end] - table["lnets_anet"]).max() for end in ("low", "error", "high"))
        quantity = f"largest advantage of published LNets+ANet over {names[first]} on an attribute"
        name = "margin_lnets_anet" if run.is_of_paper(first, "euclidean") else f"margin_{first}_lnets_anet"
        yield Statistic(name, ERRORS, quantity, value, "share", of=pairs, low=low, high=high)
    yield from _balanced(errors[errors["attribute"].isin(run.attacked)], list(table), run)


def _balanced(errors: pd.DataFrame, methods: Sequence[str], run: RunDescription) -> Iterator[Statistic]:
    """Yield the means of balanced errors and of those of the classes, and on how many attributes chance is beaten."""
    tables, names = {rate: wide(errors, "attribute", "method", rate) for rate in RATES}, methods_of(run)
    for method in methods:
        for rate, words in RATES.items():
            values = tables[rate][method].dropna()
            if len(values):
                quantity = f"mean {words}, {names[method]}"
                yield Statistic(f"{rate}_{method}", BALANCED, quantity, values.mean(), "share", of=len(values))
    for network in (name for name in run.network_names if name in methods):
        values = tables["balanced_error"][network].dropna()
        quantity = f"attributes on which {names[network]} has a balanced error below 50 %, that of guessing"
        better = int((values < 0.5).sum())
        yield _share(f"attributes_{network}_beats_guessing", BALANCED, quantity, better, len(values))


def error_shares(predictions: pd.DataFrame, labels: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Return each test image's share of wrong attributes, of those that are attacked and whose label it has.

    There is a row per test image with a label, and a column per method that predicts all the attributes, in the order
    of `methods_of`. The labels have the columns attribute, split, images, positives.
    """
    test = predictions[(predictions["split"] == "test") & predictions["attribute"].isin(run.attacked)]
    shares, labelled = {}, test["attribute"].nunique()
    for (network, checkpoint), part in test.groupby(["network", "checkpoint"], observed=True):
        if part["attribute"].nunique() == labelled:
            wrong = (part["score"] > 0) != (part["label"] > 0)
            shares[method_id(str(network), str(checkpoint))] = wrong.groupby(part["image"]).mean()
            truth = part
    if not shares:
        return pd.DataFrame()
    train = labels[labels["split"] == "train"].set_index("attribute")
    majority = 2 * train["positives"] > train["images"]
    trivial = truth["attribute"].astype("str").map(majority).to_numpy(bool) != (truth["label"] > 0)
    shares["trivial_train"] = trivial.groupby(truth["image"]).mean()
    return pd.DataFrame({name: shares[name] for name in methods_of(run) if name in shares})


def t_test_statistics(errors: pd.DataFrame, shares: pd.DataFrame, run: RunDescription) -> Iterator[Statistic]:
    """Yield the paired t-tests of `compared`, over attributes (`errors`) and over test images (`error_shares`)."""
    over, names = {"attributes": complete_errors(errors, run.attacked), "images": shares}, methods_of(run)
    for first, second in compared(run):
        for unit, values in over.items():
            if first not in values or second not in values or (second in PUBLISHED and run.dataset != "celeba"):
                continue
            pairs = values[[first, second]].dropna()
            test = paired_t_test(pairs[first], pairs[second])
            name = f"ttest_{unit}_{first}_vs_{second}"
            words = f"{names[first]} against {names[second]}{unconfirmed(second)}, over {unit}"
            about = {"of": test.pairs, "low": test.low, "high": test.high}
            yield Statistic(f"{name}_difference", TESTS, words, test.difference, "share", **about)
            for part in ("t", "p", "effect"):
                yield Statistic(f"{name}_{part}", TESTS, words, getattr(test, part), part, of=test.pairs)


def count_statistics(attempts: pd.DataFrame, run: RunDescription) -> Iterator[Statistic]:
    """Yield, for each network, checkpoint and attack, the adversarial images of both signs and the natural share.

    And what each network misclassifies at each checkpoint, of the pairs that are attacked. What is about the
    misclassified comes again by whether their label is in doubt, where the attempts have that.
    """
    hits = with_parts(attempts, run).assign(adversarial=adversarial(attempts, run.threshold).to_numpy())
    keys = ["network", "checkpoint", "attack", "method", "search"]
    for (network, checkpoint, attack, method, search), part in hits.groupby(keys, observed=True):
        name = f"{network}_{checkpoint}_{attack}"
        words = f"{run.method_name(network, method)} {search_name(search)}, "
        words += f"{run.network(network).title}, {checkpoint_name(checkpoint)}"
        wrong, hit, image = ~part["correct"], part["adversarial"], part["image"]
        yield _pooled(f"adversarial_{name}", COUNTS, f"adversarial, both signs: {words}", image, hit)
        quantity = f"misclassified pairs that are natural adversarial: {words}"
        yield _pooled(f"natural_{name}", COUNTS, quantity, image, hit, wrong)
        for kind, label, those in _by_doubt(part):
            quantity = f"misclassified pairs whose label is {label} that are natural adversarial: {words}"
            yield _pooled(f"natural_{kind}_{name}", COUNTS, quantity, image, hit, wrong & those)
    # What is misclassified before an attack does not depend on it.
    pairs = hits.drop_duplicates(["network", "checkpoint", "attribute", "image"])
    for (network, checkpoint), part in pairs.groupby(keys[:2], observed=True):
        name, words = f"{network}_{checkpoint}", f"{run.network(network).title}, {checkpoint_name(checkpoint)}"
        wrong, image = ~part["correct"], part["image"]
        yield _pooled(f"wrong_{name}", COUNTS, f"misclassified pairs: {words}", image, wrong)
        for kind, label, those in _by_doubt(part):
            quantity = f"misclassified pairs, of those whose label is {label}: {words}"
            yield _pooled(f"wrong_{kind}_{name}", COUNTS, quantity, image, wrong, those)
            if kind == DOUBTFUL:
                quantity = f"misclassified pairs whose label is {label}, of the misclassified: {words}"
                yield _pooled(f"doubtful_among_wrong_{name}", COUNTS, quantity, image, those, wrong)
    yield from _fgs_within_ffa(hits, run)


def _by_doubt(frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.Series]]:
    """Yield how ids and pages call firm labels and those in doubt, and which rows have them; nothing without doubt."""
    if DOUBTFUL in frame:
        yield FIRM, LABEL_NAMES["- firm"], ~frame[DOUBTFUL].astype(bool)
        yield DOUBTFUL, LABEL_NAMES["- doubtful"], frame[DOUBTFUL].astype(bool)


def _fgs_within_ffa(hits: pd.DataFrame, run: RunDescription) -> Iterator[Statistic]:
    """Yield how many of the pairs that are adversarial by FGS are so by FFA too."""
    chosen = hits[hits["checkpoint"].isin(FINAL) & hits["method"].isin(["fgs", "ffa"]) & hits["adversarial"]]
    for (network, search), part in chosen.groupby(["network", "search"], observed=True):
        fgs, ffa = (
            pd.MultiIndex.from_frame(part.loc[part["method"] == method, ["attribute", "image"]])
            for method in ("fgs", "ffa")
        )
        if len(fgs):
            words = f"FGS adversarial images that FFA finds too: {search_name(search)}, {run.network(network).title}"
            images = fgs.get_level_values("image").to_series()
            yield _pooled(f"fgs_within_ffa_{network}_{search}", COUNTS, words, images, pd.Series(fgs.isin(ffa)))


def progress_statistics(pairs: pd.DataFrame, run: RunDescription) -> Iterator[Statistic]:
    """Yield what became of the adversarial images of `pair_checkpoints` from the early checkpoint to the converged."""
    for (network, checkpoint, method, search), part in pairs.groupby(ATTACK, observed=True):
        epoch = checkpoint_name(checkpoint)
        apart = [word for word, paper in ((search, LINE), (checkpoint, PAPER_EARLY)) if word != paper]
        name = "_".join([network, method, *apart])
        kind = "" if search == LINE else f" {search_name(search)}"
        words = f"{method_name(method)}{kind}, {run.network(network).title}"
        early, late, image = part["adversarial_early"], part["adversarial_converged"], part["image"]
        same = part["correct_early"] == part["correct_converged"]
        quantity = f"adversarial at {epoch} and when converged, with the same sign: {words}"
        yield Statistic(f"overlap_{name}", PROGRESS, quantity, (early & late & same).sum(), "count")
        quantity = f"adversarial at {epoch} and when converged, also those whose sign changed: {words}"
        yield Statistic(f"overlap_any_sign_{name}", PROGRESS, quantity, (early & late).sum(), "count")
        quantity = f"adversarial when converged that were so at {epoch}, with the same sign: {words}"
        yield _pooled(f"overlap_share_{name}", PROGRESS, quantity, image, early & same, late)
        early = early & ~part["correct_early"]
        late = late & ~part["correct_converged"]
        lost = early & ~late
        every = ("", "", pd.Series(True, index=part.index))
        split = ((f"{kind}_", f" whose label is {label}", those) for kind, label, those in _by_doubt(part))
        for kind, whose, those in (every, *split):
            quantity = f"natural adversarial at {epoch} only{whose}: {words}"
            yield Statistic(f"natural_lost_{kind}{name}", PROGRESS, quantity, (lost & those).sum(), "count")
            quantity = (
                f"of the natural adversarial at {epoch} only{whose}, classified correctly when converged: {words}"
            )
            about = (f"natural_lost_correct_{kind}{name}", PROGRESS, quantity)
            yield _pooled(*about, image, part["correct_converged"], lost & those)
            for side, natural, other, quantity in (
                (checkpoint, early, late, f"of the natural adversarial at {epoch}{whose}, no longer so when converged"),
                (CONVERGED, late, early, f"of the natural adversarial when converged{whose}, not yet so at {epoch}"),
            ):
                about = (f"natural_differ_{kind}{side}_{name}", PROGRESS, f"{quantity}: {words}")
                yield _pooled(*about, image, ~other, natural & those)


def points_away(score: pd.Series, label: pd.Series, fgs_label: str) -> pd.Series:
    """Return on which images FGS with Euclidean loss moves the score away from the decision boundary.

    The gradient of (f - y')^2 is 2 (f - y') grad f, so raising the loss raises f (the score) where f > y' and lowers it
    elsewhere. By `fgs_label` y' (-1 or +1) is the ``current`` decision, the ``annotated`` label, or the ``opposite`` of
    the decision, where the loss is lowered.
    """
    decision = np.where(score > 0, 1, -1)
    if fgs_label == "opposite":
        slope = -(score + decision)
    else:
        slope = score - (label if fgs_label == "annotated" else decision)
    return slope * decision > 0


def direction_statistics(attempts: pd.DataFrame, logits: pd.DataFrame, run: RunDescription) -> Iterator[Statistic]:
    """Yield how many attempts start in a direction that cannot flip, and how many of these flip nevertheless.

    That is so of FGS with Euclidean loss, and of FFA on two logits. The attempts have label and score_before, too; the
    logits on the sample have the columns network, checkpoint, attribute, image, logit_absent, logit_present.
    """
    parts = with_parts(attempts, run)
    attacks = ["network", "checkpoint", "attack"]
    euclidean = [network.name for network in run.networks if network.loss == "euclidean"]
    fgs = parts[parts["network"].isin(euclidean) & (parts["method"] == "fgs")]
    for about, part in fgs.groupby(attacks, observed=True):
        away = points_away(part["score_before"], part["label"], run.option(about[-1], "fgs_label"))
        yield from _with_flips("fgs_away", "FGS points away from the boundary", about, part, away, run)
    two_logits = logits.loc[logits["logit_absent"].notna(), "network"].unique()
    ffa = parts[parts["network"].isin(two_logits) & (parts["method"] == "ffa")]
    keys = ["network", "checkpoint", "attribute", "image"]
    ffa, logits = (table.astype(dict.fromkeys(keys[:3], "str")) for table in (ffa, logits))
    with_logits = ffa.merge(logits, on=keys, validate="many_to_one")
    for about, part in with_logits.groupby(attacks, observed=True):
        if run.option(about[-1], "ffa_objective") == "scores":
            absent, present = part["logit_absent"] < 0, part["logit_present"] < 0
            case = "FFA moves away from the boundary, both logits are negative"
            yield from _with_flips("ffa_larger_negative", case, about, part, absent & present, run)
            case = "FFA's target keeps the decision, only the smaller logit is negative"
            yield from _with_flips("ffa_smaller_negative", case, about, part, absent ^ present, run)


def _with_flips(
    prefix: str, case: str, about: Sequence[str], attempts: pd.DataFrame, chosen: pd.Series, run: RunDescription
) -> Iterator[Statistic]:
    network, checkpoint, attack = about
    name = "_".join([prefix, *about])
    words = f"{attack}, {run.network(network).title}, {checkpoint_name(checkpoint)}"
    flipped, image = attempts["flipped"], attempts["image"]
    yield _pooled(name, DIRECTIONS, f"attempts in which {case}: {words}", image, chosen)
    for suffix, which, those in (("flipped", chosen, "those"), ("others_flipped", ~chosen, "all but those")):
        quantity = f"flipped, of {those} in which {case}: {words}"
        yield _pooled(f"{name}_{suffix}", DIRECTIONS, quantity, image, flipped, which)


def matrix_statistics(
    transferability: pd.DataFrame,
    correlation: pd.DataFrame,
    attempts: pd.DataFrame,
    transfers: pd.DataFrame,
    run: RunDescription,
) -> Iterator[Statistic]:
    """Yield averages of the matrices of transfers, with intervals where the tables of rows are there, too.

    Ids begin with the paper's words. Of the paper's networks they name the checkpoint that the images were made on
    (``portability_epoch2``) or the search (``correlation_line``), of others also the network.
    """
    tables = (
        ("portability", transferability, "checkpoint", "euclidean"),
        ("correlation", correlation, "search", "moon"),
    )
    for prefix, table, column, role in tables:
        for (network, which), rates in table.groupby(["network", column], sort=False):
            made = tuple(rates[["network", "checkpoint", "attack"]].iloc[0])
            other = [] if run.is_of_paper(network, role) else [network]
            name = "_".join([prefix, *other, which])
            words = ", ".join([prefix, *(run.network(each).title for each in other), which])
            numbers = summary(rates)
            for part, quantity, unit in (
                ("columns", "attributes with adversarial images", "count"),
                ("empty", "attributes without", "count"),
                ("diagonal", "mean of the diagonal", "share"),
                ("diagonal_least", "least of the diagonal", "share"),
                ("others", "mean off the diagonal", "share"),
            ):
                about = {"of": numbers["columns"]} if unit == "share" else {}
                if part in ("diagonal", "others"):
                    ends = mean_interval(attempts, transfers, made, run.threshold, own=part == "diagonal")
                    about |= dict(zip(("low", "high"), ends, strict=True))
                yield Statistic(f"{name}_{part}", MATRICES, f"{quantity}: {words}", numbers[part], unit, **about)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return all statistics of the run, one row each, with the fields of `Statistic` as columns."""
    labels = read_csv(inputs["labels"])
    columns = ["network", "checkpoint", "attribute", "image", "logit_absent", "logit_present"]
    predictions = read_predictions(inputs["predictions"], run, *columns, "split", "label", "score")
    errors = classification_error(predictions, labels, run)
    shares = error_shares(predictions, labels, run)
    logits = predictions.loc[(predictions["split"] == "sample") & predictions["logit_absent"].notna(), columns]
    del predictions
    attempts = read_attempts(inputs["attempts"], run, "label", "score_before")
    statistics = [
        *error_statistics(errors, run),
        *t_test_statistics(errors, shares, run),
        *count_statistics(attempts, run),
        *progress_statistics(pair_checkpoints(attempts, run), run),
        *direction_statistics(attempts, logits, run),
        *matrix_statistics(
            *(read_csv(inputs[name]) for name in ("transferability", "correlation")),
            attempts,
            read_transfers(inputs["transfers"]),
            run,
        ),
    ]
    return pd.DataFrame(statistics).astype({"count": "Int64", "of": "Int64"})


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the statistics out, a sheet per group, the t-tests with a row each."""
    groups = frame.groupby("group", sort=False)
    split = dict.fromkeys((COUNTS, PROGRESS), run.doubt_notes)
    return [_tests(part) if group == TESTS else _listing(group, part, split.get(group, ())) for group, part in groups]


def _listing(group: str, part: pd.DataFrame, notes: Sequence[str]) -> Sheet:
    rows = []
    for row in part.to_dict("records"):
        share = marked(percent_cell({**row, "rate": row["value"]}, 2), " %")
        counts = ("" if pd.isna(row[name]) else f"{row[name]:,}" for name in ("count", "of"))
        rows.append([row["quantity"], *parts(share if row["unit"] == "share" else number(row["value"])), *counts])
    heads = [Column("quantity", align="l"), Column("value"), Column("95 % interval"), Column("count"), Column("of")]
    return Sheet(group.capitalize(), heads, rows, [*_note_on_marks(rows), *notes])


def _note_on_marks(rows: Sequence[Sequence[Cell]]) -> list[str]:
    return [UNCONFIRMED_NOTE] if any(UNCONFIRMED in cells[0] for cells in rows) else []


def _tests(part: pd.DataFrame) -> Sheet:
    rows = []
    for words, test in part.groupby("quantity", sort=False):
        by_unit = test.set_index("unit")["value"]
        rows.append(
            [
                str(words),
                f"{100 * by_unit['share']:+.2f}",
                f"{int(test['of'].iloc[0]):,}",
                number(by_unit["t"]),
                "< 1e-300" if by_unit["p"] < 1e-300 else number(by_unit["p"], 2),
                number(by_unit["effect"], 2),
            ]
        )
    heads = ["difference, points", "pairs", "t", "p", "d_z"]
    notes = ["Difference of the mean errors in percentage points, first minus second; two-sided p; Cohen's d_z."]
    notes += _note_on_marks(rows)
    return Sheet("Paired t-tests", [Column("errors of", align="l"), *map(Column, heads)], rows, notes)
