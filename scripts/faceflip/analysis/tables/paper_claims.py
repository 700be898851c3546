"""What the paper says in words, and whether it is so in this run.

A row is a statement of the text without a number of its own, with what was looked at to judge it. It *holds* or *fails*
where the 95 % intervals of the numbers leave no doubt; where they meet, nobody *can tell*, and neither where this run
lacks the networks, attacks or attributes. Statements on several attributes or attacks hold where each does, and fail
where one does. Words such as "often" or "almost all" are no numbers: what they are taken for is this project's choice
and stands beside them. The verdict is on this run, comparable or not: the last column says what sets it apart from the
paper's.
"""

from dataclasses import dataclass

import pandas as pd

from faceflip.analysis.claims import judges
from faceflip.analysis.claims.evidence import Evidence
from faceflip.analysis.comparability import Basis, departures, verdict
from faceflip.analysis.frames import Inputs, read_attempts, read_csv
from faceflip.analysis.names import SEARCHES
from faceflip.analysis.pages import Column, Sheet, nothing
from faceflip.analysis.run import CONVERGED, RunDescription
from faceflip.analysis.statistics.verdicts import all_of
from faceflip.analysis.tables.paper_comparison import (
    ADVERSARIAL,
    FLIPPED,
    NOT_LIKE_PAPER,
    ONE_PAIR,
    SCORED,
    TESTED,
)
from faceflip.catalogue import ITERATIVE, LINE

COLUMNS = ["id", "item", "claim", "criterion", "found", "verdict", "status"]

TABLES_READ = ("classification_error", "flippability", "statistics", "transferability", "correlation", "trainings")


@dataclass(frozen=True)
class Claim:
    """A statement of the paper.

    Attributes:
        item: Where it stands.
        claim: What it says, near to the paper's words.
        criterion: When it is taken to hold.
        basis: What it rests on.
        judge: Yields what was found of each part of it; all must hold.
    """

    item: str
    claim: str
    criterion: str
    basis: Basis
    judge: judges.Judge


LINES = tuple(f"{method}-{LINE}" for method in ("fgs", "ffa"))
ALL = tuple(f"{method}-{search}" for method in ("fgs", "ffa") for search in SEARCHES)
FFA = tuple(f"ffa-{search}" for search in SEARCHES)
SEPARATE, MOON, BOTH = ("euclidean",), ("moon",), ("euclidean", "moon")
BY_INTERVAL = "the intervals are apart"

CLAIMS = {
    "trivial_beats_generic": Claim(
        "Section 2.3",
        "Trivial outperforms FaceTracer and LNets+ANet on Narrow Eyes and Double Chin",
        "the published errors are above Trivial's (train majority)",
        Basis(("data",)),
        judges.trivial_beats_generic,
    ),
    "only_networks_beat_trivial": Claim(
        "Section 2.3",
        "only the separate networks and MOON outperform Trivial on all attributes",
        "their errors are below Trivial's on each attribute, the published ones not on each",
        Basis(TESTED, BOTH),
        judges.only_networks_beat_trivial,
    ),
    "dramatic_gains": Claim(
        "Section 2.3",
        "dramatic gains over the generic approaches on Wearing Necktie, Wearing Earrings and Blurry",
        "relative improvements of separate networks are above those of the mean errors",
        Basis(TESTED, SEPARATE),
        judges.dramatic_gains,
    ),
    "not_worse_than_moon": Claim(
        "Section 2.3",
        "separate networks are not significantly worse than MOON",
        "more error, p of at least 0.05 over attributes",
        Basis(TESTED, BOTH),
        judges.insignificant("moon"),
    ),
    "softmax_not_worse": Claim(
        "Section 5",
        "softmax loss has slightly more error than Euclidean loss, not significantly",
        "more error, p of at least 0.05 over attributes",
        Basis(TESTED, ("euclidean", "softmax")),
        judges.insignificant("softmax"),
    ),
    "which_flip": Claim(
        "Section 3.3",
        "most images can be turned adversarial on Big Nose and Young, none on Wavy Hair and Wearing Necklace",
        "more than half of the images by any attack on separate networks; none by any",
        Basis(ONE_PAIR, SEPARATE, ALL),
        judges.flips_most,
    ),
    "empty_columns": Claim(
        "Section 4.1",
        "no adversarial images for Wearing Earrings and Wearing Hat",
        "none by FFA with line search on separate networks",
        Basis(ONE_PAIR, SEPARATE, (f"ffa-{LINE}",)),
        judges.empty_columns,
    ),
    "natural_more_often": Claim(
        "Section 3.3",
        "misclassified images are corrected more often than correct ones are flipped",
        f"rates on separate networks; {BY_INTERVAL}",
        Basis(ADVERSARIAL, SEPARATE, ALL),
        judges.signs,
    ),
    "natural_above_90": Claim(
        "Section 3.3",
        "more than 90 % of the misclassified are natural adversarial on MOON, for both searches",
        "the rates are above 90 %",
        Basis(ADVERSARIAL, MOON, FFA),
        judges.natural,
    ),
    "ffa_beyond_fgs": Claim(
        "Section 3.3",
        "FFA makes more adversarial images than FGS",
        f"rates of the correctly classified on separate networks; {BY_INTERVAL}",
        Basis(ADVERSARIAL, SEPARATE, ALL),
        judges.methods,
    ),
    "gap_widens": Claim(
        "Section 3.3",
        "the difference of FFA and FGS widens with the threshold",
        "of the line searches' rates on the correctly classified, from each threshold to the next; numbers alone",
        Basis(SCORED, SEPARATE, LINES),
        judges.gap_widens,
    ),
    "fgs_within_ffa": Claim(
        "Section 3.3",
        "almost all images with FGS adversarial examples also have FFA ones",
        f"at least {100 * judges.ALMOST_ALL:g} % of the pairs, line search, separate networks",
        Basis(ADVERSARIAL, SEPARATE, LINES),
        judges.share("fgs_within_ffa_euclidean_line", "above", judges.ALMOST_ALL, "also by FFA"),
    ),
    "moon_almost_everywhere": Claim(
        "Section 3.3",
        "adversarial images for almost all attributes on MOON",
        f"one at least on {100 * judges.ALMOST_ALL:g} % of the attributes",
        Basis(ADVERSARIAL, MOON, FFA),
        judges.moon_flips_everywhere,
    ),
    "moon_flips_more": Claim(
        "Section 3.3",
        "more adversarial examples on MOON than on separate networks",
        f"FFA's rates of the correctly classified; {BY_INTERVAL}",
        Basis(ADVERSARIAL, BOTH, FFA),
        judges.networks,
    ),
    "iterative_flips_more": Claim(
        "Section 3.3",
        "the iterative search flips more often than the line search",
        f"rates of the correctly classified; {BY_INTERVAL}",
        Basis(ADVERSARIAL, BOTH, ALL),
        judges.searches,
    ),
    "iterative_more_similar": Claim(
        "Sections 1 and 3.3",
        "the iterative search makes adversarial images of higher quality",
        "PASS is higher on average over the pairs that both searches flip",
        Basis((*FLIPPED, "similarity"), BOTH, ALL),
        judges.better_images,
    ),
    "fgs_total_rises": Claim(
        "Section 3.3",
        "the number of FGS adversarial images rises slightly from epoch 2 to convergence",
        f"shares of all pairs, line search, separate networks; {BY_INTERVAL}",
        Basis(ADVERSARIAL, SEPARATE, (f"fgs-{LINE}",)),
        judges.larger_of(
            "both signs",
            ("converged", f"adversarial_euclidean_{CONVERGED}_fgs-line"),
            ("epoch 2", "adversarial_euclidean_epoch2_fgs-line"),
        ),
    ),
    "fgs_half_in_both": Claim(
        "Section 3.3",
        "more than half of the FGS adversarial images are in both sets",
        "of those when converged, with the same sign",
        Basis(ADVERSARIAL, SEPARATE, (f"fgs-{LINE}",)),
        judges.share("overlap_share_euclidean_fgs", "above", 0.5, "in both"),
    ),
    "ffa_most_in_both": Claim(
        "Section 3.3",
        "most images that are vulnerable by FFA are so on both networks",
        "more than half of those when converged, with the same sign",
        Basis(ADVERSARIAL, SEPARATE, (f"ffa-{LINE}",)),
        judges.share("overlap_share_euclidean_ffa", "above", 0.5, "in both"),
    ),
    "lost_are_correct": Claim(
        "Section 3.3",
        "of the natural adversarial images of epoch 2 that are none when converged, most are classified correctly",
        "more than half, for FFA and FGS",
        Basis(ADVERSARIAL, SEPARATE, LINES),
        judges.lost_are_correct,
    ),
    "narrow_eyes_early": Claim(
        "Section 4.1",
        "the network of Narrow Eyes had converged after two epochs",
        "epoch 2 is the one kept",
        Basis(("data", "network"), SEPARATE),
        judges.narrow_eyes,
    ),
    "little_portability": Claim(
        "Section 4.1",
        "most perturbations for one attribute do not influence others, on separate networks",
        "the mean off the diagonal of Fig. 4 left is below half",
        Basis(ADVERSARIAL, SEPARATE, (f"ffa-{LINE}",)),
        judges.share("portability_converged_others", "below", 0.5, "others"),
    ),
    "portability_rises": Claim(
        "Section 4.1",
        "images of epoch 2 influence other converged networks more",
        f"means off the diagonals of Fig. 4; {BY_INTERVAL}",
        Basis(ADVERSARIAL, SEPARATE, (f"ffa-{LINE}",)),
        judges.larger_of(
            "others", ("epoch 2", "portability_epoch2_others"), ("converged", "portability_converged_others")
        ),
    ),
    "correlation_beyond_portability": Claim(
        "Section 4.2",
        "flipping one attribute changes others more often on MOON than on separate networks",
        f"means off the diagonals of Figs. 4 and 5 left; {BY_INTERVAL}",
        Basis(ADVERSARIAL, BOTH, (f"ffa-{LINE}",)),
        judges.larger_of("others", ("MOON", "correlation_line_others"), ("separate", "portability_converged_others")),
    ),
    "iterative_flips_related": Claim(
        "Section 4.2",
        "iterative FFA flips related attributes more frequently than line search",
        f"Goatee, Mustache and Sideburns flip No Beard; {BY_INTERVAL}",
        Basis(ONE_PAIR, MOON, FFA),
        judges.iterative_flips_related,
    ),
    "no_beard_one_way": Claim(
        "Section 4.2",
        "Goatee, Mustache and Sideburns flip No Beard, and not the other way",
        "more than 70 %, iterative; at most 70 % the other way",
        Basis(ONE_PAIR, MOON, (f"ffa-{ITERATIVE}",)),
        judges.one_way,
    ),
    "attractive_flips": Claim(
        "Section 4.2",
        "Blurry, Chubby, Double Chin, Receding Hairline and Young flip Attractive in more than half of the cases",
        "iterative",
        Basis(ONE_PAIR, MOON, (f"ffa-{ITERATIVE}",)),
        judges.flip(judges.UNATTRACTIVE, "Attractive", 0.5),
    ),
    "big_nose_flips": Claim(
        "Section 4.2",
        "Bald, Chubby, Double Chin, Gray Hair and Receding Hairline often flip Big Nose",
        "more often than the mean off the diagonal of Fig. 5 right",
        Basis(ONE_PAIR, MOON, (f"ffa-{ITERATIVE}",)),
        judges.flip(judges.NOSES, "Big_Nose", None),
    ),
    "never_affected": Claim(
        "Section 4.2",
        "Bald, Blurry, Pale Skin, Wearing Hat and Wearing Necktie are affected by images of no other attribute",
        f"below {100 * judges.NOTHING:g} % by images of each other attribute, both searches",
        Basis(ONE_PAIR, MOON, FFA),
        judges.unaffected,
    ),
    "softmax_more_vulnerable": Claim(
        "Section 5",
        "softmax networks are more vulnerable, at all thresholds and by all attacks",
        f"rates of both signs; {BY_INTERVAL}",
        Basis(SCORED, ("euclidean", "softmax"), ALL),
        judges.softmax,
    ),
}
"""The statements by id, in the order of the paper's sections, more or less."""


def paper_claims(found: Evidence) -> pd.DataFrame:
    """Judge the paper's statements.

    Returns:
        Columns id, item, claim, criterion, found (in words), verdict (``holds``, ``fails``, ``cannot tell``), and
        status as in `faceflip.analysis.tables.paper_comparison`.
    """
    rows = []
    for id_, claim in CLAIMS.items():
        findings = list(claim.judge(found))
        words = [text for text, _ in findings if text]
        why, know = verdict(departures(found.run, claim.basis))
        if not words:
            why = ["this run has no such numbers"]
        told = (f"not comparable: {', '.join(why)}") if why else "comparable" + (f": {', '.join(know)}" if know else "")
        judged = all_of(each for _, each in findings)
        rows.append((id_, claim.item, claim.claim, claim.criterion, "; ".join(words), judged, told))
    return pd.DataFrame(rows, columns=COLUMNS)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `paper_claims` of the run; of one that is not `like_paper` no rows."""
    if not run.like_paper:
        return pd.DataFrame(columns=COLUMNS)
    tables = {name: read_csv(inputs[name]) for name in TABLES_READ}
    return paper_claims(Evidence(tables, read_attempts(inputs["attempts"], run), run))


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the verdicts out, a row a statement."""
    if not run.like_paper:
        return [nothing("What the paper says in words", NOT_LIKE_PAPER)]
    marks: dict[str, str] = {"comparable": "yes"}
    for status in frame["status"]:
        answer = "no" if status.startswith("not") else "yes"
        marks.setdefault(status, f"{answer} ({len(marks)})")
    rows = [
        [row["item"], row["claim"], row["criterion"], row["found"], row["verdict"], marks[row["status"]]]
        for row in frame.fillna("").to_dict("records")
    ]
    heads = ("where", "the paper says", "judged by", "found here", "verdict", "comparable")
    notes = [f"{mark.partition(' ')[2]} {text[0].upper()}{text[1:]}." for text, mark in marks.items() if "(" in mark]
    return [
        Sheet("What the paper says, and what this run found", [Column(name, align="l") for name in heads], rows, notes)
    ]
