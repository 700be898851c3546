"""The numbers of the paper's text: means, relative improvements, t-tests, counts, averages of the matrices.

Each statistic has an id that stays; `paper_comparison` and other programs find it by that. Shares come with their
count, what they are a share of, and a Wilson interval. The t-tests are two-sided and paired, once over attributes (as
many pairs as attributes) and once over test images (each image's share of wrong attributes), because the paper does not
say which it used; with the size of the effect (Cohen's d_z), since over many images any difference is significant. What
is marked with † rests on published cells of MOON that are unconfirmed: only their mean over all 40 attributes is in
print. Some directions lead away from the boundary, and such attempts flip only where the network bends back: they are
counted, with how many of them flip and how many of the others.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from faceflip.analysis.frames import (
    PREDICTIONS,
    Inputs,
    adversarial,
    read_attempts,
    read_csv,
    read_parquet,
    wide,
    with_parts,
)
from faceflip.analysis.matrices import summary
from faceflip.analysis.names import NETWORK_NAMES, SEARCH_NAMES, method_name
from faceflip.analysis.pages import Cell, Column, Sheet, number, percent
from faceflip.analysis.run import RunDescription
from faceflip.analysis.statistics.intervals import wilson
from faceflip.analysis.statistics.paired import paired_t_test
from faceflip.analysis.tables.checkpoint_overlap import pair_checkpoints
from faceflip.analysis.tables.classification_error import (
    METHODS,
    PUBLISHED,
    UNCONFIRMED,
    UNCONFIRMED_NOTE,
    classification_error,
    unconfirmed,
)

ERRORS, IMPROVEMENTS, TESTS = "errors", "relative improvements", "paired t-tests"
COUNTS, PROGRESS, DIRECTIONS, MATRICES = "adversarial images", "progress", "directions", "portability and correlation"

COMPARED = (
    ("euclidean", "softmax"),
    ("euclidean", "moon"),
    ("euclidean_epoch2", "euclidean"),
    ("softmax_epoch2", "softmax"),
    ("moon_epoch2", "moon"),
    ("euclidean", "trivial_train"),
    ("moon", "trivial_train"),
    ("euclidean", "lnets_anet"),
    ("euclidean", "facetracer"),
    ("euclidean", "moon_published"),
)
"""Which errors are tested against which."""


@dataclass(frozen=True)
class Statistic:
    """One number of the statistics table.

    Attributes:
        id: Stable name.
        group: Heading on the page.
        quantity: What it is, in words.
        value: The number.
        unit: ``share`` (fraction), ``count``, or what the number is.
        count: Numerator of a share.
        of: Denominator of a share, or how many values a mean is over.
        low: Lower end of the 95 % interval.
        high: Upper end.
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


def _count(id_: str, group: str, quantity: str, count: int) -> Statistic:
    return Statistic(id_, group, quantity, count, "count")


def error_statistics(errors: pd.DataFrame, attributes: Sequence[str], celeba: bool) -> Iterator[Statistic]:
    """Yield mean errors, relative improvements and how networks do beside other methods per attribute.

    Args:
        errors: From `classification_error`.
        attributes: Those with separate networks; everything is over these.
        celeba: Whether the run is on CelebA, as the published errors are; else nothing is compared with them.
    """
    table = _errors_by_attribute(errors, attributes)
    means, pairs = table.mean(), len(table)
    others = ("trivial_train", "trivial_test", *(("facetracer", "lnets_anet") if celeba else ()))
    for method in table.columns:
        quantity = f"mean error, {METHODS[method]}{unconfirmed(method, pairs)}"
        yield Statistic(f"error_{method}", ERRORS, quantity, means[method], "share", of=pairs)
    for network in ("euclidean", "softmax", "moon"):
        if network not in table:
            continue
        for other in others:
            yield Statistic(
                f"improvement_{network}_over_{other}",
                IMPROVEMENTS,
                f"improvement of {METHODS[network]} over {METHODS[other]}",
                (means[other] - means[network]) / means[other] if means[other] else math.nan,
                "share",
                of=pairs,
            )
        yield _share(
            f"attributes_{network}_beats_trivial_train",
            ERRORS,
            f"attributes on which {METHODS[network]} has less error than Trivial with the train majority",
            int((table[network] < table["trivial_train"]).sum()),
            pairs,
        )
    if celeba and "euclidean" in table:
        advantage = (table["euclidean"] - table["lnets_anet"]).max()
        quantity = "largest advantage of published LNets+ANet over Euclidean on an attribute"
        yield Statistic("margin_lnets_anet", ERRORS, quantity, advantage, "share", of=pairs)


def _errors_by_attribute(errors: pd.DataFrame, attributes: Sequence[str]) -> pd.DataFrame:
    """Return errors with a row per attribute and a column for each method that has all of them."""
    table = wide(errors[errors["attribute"].isin(attributes)], "attribute", "method", "error")
    table = table.reindex(index=list(attributes), columns=[name for name in METHODS if name in table.columns])
    return table.dropna(axis="columns")


def error_shares(predictions: pd.DataFrame, labels: pd.DataFrame, attributes: Sequence[str]) -> pd.DataFrame:
    """Return each test image's share of wrong attributes.

    Args:
        predictions: The predictions table.
        labels: Columns attribute, split, images, positives.
        attributes: The attributes to count.

    Returns:
        A row per test image, a column per method that predicts all the attributes, in the order of `METHODS`.
    """
    test = predictions[(predictions["split"] == "test") & predictions["attribute"].isin(attributes)]
    shares = {}
    for (network, checkpoint), part in test.groupby(["network", "checkpoint"], observed=True):
        if part["attribute"].nunique() == len(attributes):
            wrong = (part["score"] > 0) != (part["label"] > 0)
            name = network + {"epoch2": "_epoch2", "converged": ""}[checkpoint]
            shares[name] = wrong.groupby(part["image"]).mean()
            truth = part
    if not shares:
        return pd.DataFrame()
    train = labels[labels["split"] == "train"].set_index("attribute")
    majority = 2 * train["positives"] > train["images"]
    trivial = truth["attribute"].astype("str").map(majority).to_numpy(bool) != (truth["label"] > 0)
    shares["trivial_train"] = trivial.groupby(truth["image"]).mean()
    return pd.DataFrame({name: shares[name] for name in METHODS if name in shares})


def t_test_statistics(
    errors: pd.DataFrame, shares: pd.DataFrame, attributes: Sequence[str], celeba: bool
) -> Iterator[Statistic]:
    """Yield the paired t-tests of `COMPARED`, over attributes and over test images.

    Args:
        errors: From `classification_error`.
        shares: From `error_shares`.
        attributes: Those with separate networks.
        celeba: As `error_statistics`.
    """
    over = {"attributes": _errors_by_attribute(errors, attributes), "images": shares}
    for first, second in COMPARED:
        for unit, values in over.items():
            if first not in values or second not in values or (second in PUBLISHED and not celeba):
                continue
            test = paired_t_test(values[first], values[second])
            name = f"ttest_{unit}_{first}_vs_{second}"
            words = f"{METHODS[first]} against {METHODS[second]}{unconfirmed(second)}, over {unit}"
            yield Statistic(
                f"{name}_difference",
                TESTS,
                words,
                test.difference,
                "share",
                of=test.pairs,
                low=test.low,
                high=test.high,
            )
            for part in ("t", "p", "effect"):
                yield Statistic(f"{name}_{part}", TESTS, words, getattr(test, part), part, of=test.pairs)


def count_statistics(attempts: pd.DataFrame, threshold: float) -> Iterator[Statistic]:
    """Yield, for each network, checkpoint and attack, the adversarial images of both signs and the natural share."""
    hits = with_parts(attempts).assign(adversarial=adversarial(attempts, threshold).to_numpy())
    keys = ["network", "checkpoint", "attack", "method", "search"]
    for (network, checkpoint, attack, method, search), part in hits.groupby(keys, observed=True):
        name = f"{network}_{checkpoint}_{attack}"
        words = f"{method_name(network, method)} {SEARCH_NAMES.get(search, search)}, {_at(network, checkpoint)}"
        natural = part.loc[~part["correct"], "adversarial"]
        total = int(part["adversarial"].sum())
        yield _share(f"adversarial_{name}", COUNTS, f"adversarial, both signs: {words}", total, len(part))
        quantity = f"misclassified pairs that are natural adversarial: {words}"
        yield _share(f"natural_{name}", COUNTS, quantity, int(natural.sum()), len(natural))
        yield _share(f"wrong_{name}", COUNTS, f"misclassified pairs: {words}", len(natural), len(part))
    yield from _fgs_within_ffa(hits)


def _at(network: str, checkpoint: str) -> str:
    return f"{NETWORK_NAMES[network]}, {'converged' if checkpoint == 'converged' else 'early epoch'}"


def _fgs_within_ffa(hits: pd.DataFrame) -> Iterator[Statistic]:
    """Yield how many of the pairs that are adversarial by FGS are so by FFA too."""
    chosen = hits[(hits["checkpoint"] == "converged") & hits["method"].isin(["fgs", "ffa"]) & hits["adversarial"]]
    for (network, search), part in chosen.groupby(["network", "search"], observed=True):
        pairs = {
            method: pd.MultiIndex.from_frame(part.loc[part["method"] == method, ["attribute", "image"]])
            for method in ("fgs", "ffa")
        }
        if len(pairs["fgs"]):
            both = int(pairs["fgs"].isin(pairs["ffa"]).sum())
            words = f"FGS adversarial images that FFA finds too: {SEARCH_NAMES.get(search, search)}, "
            name = f"fgs_within_ffa_{network}_{search}"
            yield _share(name, COUNTS, words + NETWORK_NAMES[network], both, len(pairs["fgs"]))


def progress_statistics(pairs: pd.DataFrame) -> Iterator[Statistic]:
    """Yield what became of the adversarial images between the two checkpoints.

    Args:
        pairs: From `pair_checkpoints`.
    """
    for (network, method), part in pairs.groupby(["network", "method"], observed=True):
        name = f"{network}_{method}"
        words = f"{method.upper()}, {NETWORK_NAMES[network]}"
        early, late = part["adversarial_epoch2"], part["adversarial_converged"]
        yield _count(
            f"overlap_{name}", PROGRESS, f"adversarial at both checkpoints, any sign: {words}", (early & late).sum()
        )
        early = early & ~part["correct_epoch2"]
        late = late & ~part["correct_converged"]
        lost = early & ~late
        kept = int((early & late).sum())
        yield _count(
            f"natural_lost_{name}", PROGRESS, f"natural adversarial at the early epoch only: {words}", lost.sum()
        )
        correct = int((lost & part["correct_converged"]).sum())
        quantity = f"of the natural adversarial at the early epoch only, classified correctly when converged: {words}"
        yield _share(f"natural_lost_correct_{name}", PROGRESS, quantity, correct, int(lost.sum()))
        for checkpoint, natural, quantity in (
            ("epoch2", early, "of the natural adversarial at the early epoch, no longer so when converged"),
            ("converged", late, "of the natural adversarial when converged, not yet so at the early epoch"),
        ):
            total = int(natural.sum())
            yield _share(f"natural_differ_{checkpoint}_{name}", PROGRESS, f"{quantity}: {words}", total - kept, total)


def points_away(score: pd.Series, label: pd.Series, fgs_label: str) -> pd.Series:
    """Return on which images FGS with Euclidean loss moves the score away from the decision boundary.

    The gradient of (f - y')^2 is 2 (f - y') grad f, so raising the loss raises f where f > y' and lowers it elsewhere.

    Args:
        score: f.
        label: Annotated label, -1 or +1.
        fgs_label: Which y' is used: ``current`` (the decision), ``annotated``, or ``opposite`` (not the decision; the
            loss is lowered).
    """
    decision = np.where(score > 0, 1, -1)
    if fgs_label == "opposite":
        slope = -(score + decision)
    else:
        slope = score - (label if fgs_label == "annotated" else decision)
    return slope * decision > 0


def direction_statistics(attempts: pd.DataFrame, logits: pd.DataFrame, run: RunDescription) -> Iterator[Statistic]:
    """Yield how many attempts start in a direction that cannot flip, and how many of these flip nevertheless.

    Args:
        attempts: The attempts table, with label and score_before.
        logits: Columns checkpoint, attribute, image, logit_absent, logit_present of the softmax networks on the sample.
        run: What was run; the options of its attacks decide what their directions are.
    """
    parts = with_parts(attempts)
    fgs = parts[(parts["network"] == "euclidean") & (parts["method"] == "fgs")]
    for (checkpoint, attack), part in fgs.groupby(["checkpoint", "attack"], observed=True):
        away = points_away(part["score_before"], part["label"], run.option(attack, "fgs_label"))
        words = f"{attack}, {_at('euclidean', checkpoint)}"
        name = f"euclidean_{checkpoint}_{attack}"
        yield from _with_flips(f"fgs_away_{name}", "FGS points away from the boundary", words, part, away)
    ffa = parts[(parts["network"] == "softmax") & (parts["method"] == "ffa")]
    keys = ["checkpoint", "attribute", "image"]
    with_logits = ffa.merge(logits, on=keys, how="inner", validate="many_to_one")
    for (checkpoint, attack), part in with_logits.groupby(["checkpoint", "attack"], observed=True):
        if run.option(attack, "ffa_objective") != "scores":
            continue
        larger = part[["logit_absent", "logit_present"]].max(axis=1)
        smaller = part[["logit_absent", "logit_present"]].min(axis=1)
        words = f"{attack}, {_at('softmax', checkpoint)}"
        name = f"softmax_{checkpoint}_{attack}"
        cases = {
            "larger_negative": ("FFA moves away from the boundary, both logits are negative", larger < 0),
            "smaller_negative": (
                "FFA's target keeps the decision, only the smaller logit is negative",
                (smaller < 0) & (larger >= 0),
            ),
        }
        for case, (quantity, chosen) in cases.items():
            yield from _with_flips(f"ffa_{case}_{name}", quantity, words, part, chosen)


def _with_flips(name: str, case: str, words: str, part: pd.DataFrame, chosen: pd.Series) -> Iterator[Statistic]:
    flipped = part["flipped"].to_numpy(bool)
    chosen = chosen.to_numpy(bool)
    yield _share(name, DIRECTIONS, f"attempts in which {case}: {words}", int(chosen.sum()), len(part))
    for suffix, which, those in (("flipped", chosen, "those"), ("others_flipped", ~chosen, "all but those")):
        quantity = f"flipped, of {those} in which {case}: {words}"
        yield _share(f"{name}_{suffix}", DIRECTIONS, quantity, int((which & flipped).sum()), int(which.sum()))


def matrix_statistics(matrices: Mapping[str, pd.DataFrame]) -> Iterator[Statistic]:
    """Yield averages of portability and correlation.

    Args:
        matrices: Rates from `transfer_rates` by name (`portability_converged`...).
    """
    for name, rates in matrices.items():
        numbers = summary(rates)
        words = name.replace("_", ", ")
        filled = numbers["columns"]
        yield _count(f"{name}_columns", MATRICES, f"attributes with adversarial images: {words}", filled)
        yield _count(f"{name}_empty", MATRICES, f"attributes without: {words}", numbers["empty"])
        for part, quantity in (
            ("diagonal", "mean of the diagonal"),
            ("diagonal_least", "least of the diagonal"),
            ("others", "mean off the diagonal"),
        ):
            yield Statistic(f"{name}_{part}", MATRICES, f"{quantity}: {words}", numbers[part], "share", of=filled)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return all statistics of the run, one row each, with the fields of `Statistic` as columns."""
    labels = read_csv(inputs["labels"])
    predictions = read_parquet(inputs["predictions"], PREDICTIONS)
    errors = classification_error(predictions, labels, run.attributes)
    shares = error_shares(predictions, labels, run.attributes)
    softmax = (predictions["network"] == "softmax") & (predictions["split"] == "sample")
    logits = predictions.loc[softmax, ["checkpoint", "attribute", "image", "logit_absent", "logit_present"]]
    del predictions
    attempts = read_attempts(inputs["attempts"], "label", "score_before")
    portability, correlation = read_csv(inputs["portability"]), read_csv(inputs["correlation"])
    matrices = {
        **{f"portability_{name}": part for name, part in portability.groupby("checkpoint", sort=False)},
        **{f"correlation_{name}": part for name, part in correlation.groupby("search", sort=False)},
    }
    statistics = [
        *error_statistics(errors, run.attributes, not run.synthetic),
        *t_test_statistics(errors, shares, run.attributes, not run.synthetic),
        *count_statistics(attempts, run.threshold),
        *progress_statistics(pair_checkpoints(attempts, run.threshold)),
        *direction_statistics(attempts, logits, run),
        *matrix_statistics(matrices),
    ]
    return pd.DataFrame(map(asdict, statistics)).astype({"count": "Int64", "of": "Int64"})


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the statistics out, a sheet per group, the t-tests with a row each."""
    return [
        _tests(part) if group == TESTS else _listing(str(group), part)
        for group, part in frame.groupby("group", sort=False)
    ]


def _listing(group: str, part: pd.DataFrame) -> Sheet:
    rows = []
    for row in part.to_dict("records"):
        share = row["unit"] == "share"
        value = f"{percent(row['value'], 2)} %" if share and not math.isnan(row["value"]) else number(row["value"])
        interval = ""
        if share and not math.isnan(row.get("low", math.nan)):
            interval = f"[{percent(row['low'], 2)}, {percent(row['high'], 2)}]"
        counted = "" if pd.isna(row["count"]) else f"{row['count']:,}"
        rows.append([row["quantity"], value, interval, counted, "" if pd.isna(row["of"]) else f"{row['of']:,}"])
    heads = [Column("quantity", align="l"), Column("value"), Column("95 % interval"), Column("count"), Column("of")]
    return Sheet(group[0].upper() + group[1:], heads, rows, _note_on_marks(rows))


def _note_on_marks(rows: Sequence[Sequence[Cell]]) -> list[str]:
    return [UNCONFIRMED_NOTE] if any(UNCONFIRMED in cells[0] for cells in rows) else []


def _tests(part: pd.DataFrame) -> Sheet:
    rows = []
    for words, test in part.groupby("quantity", sort=False):
        by_unit = test.set_index("unit")["value"]
        pairs = int(test["of"].iloc[0])
        rows.append(
            [
                str(words),
                f"{100 * by_unit['share']:+.2f}",
                f"{pairs:,}",
                number(by_unit["t"]),
                "< 1e-300" if by_unit["p"] < 1e-300 else number(by_unit["p"], 2),
                number(by_unit["effect"], 2),
            ]
        )
    heads = ["difference, points", "pairs", "t", "p", "d_z"]
    notes = ["Difference of the mean errors in percentage points, first minus second; two-sided p; Cohen's d_z."]
    notes += _note_on_marks(rows)
    return Sheet("Paired t-tests", [Column("errors of", align="l"), *map(Column, heads)], rows, notes)
