"""Which labels are in doubt, and why: the table that stands beside a packed dataset.

A row is a pair of image and attribute whose label is known. Three sources may put it in doubt: ``rules`` that labels
contradict (`faceflip.data.contradictions`), out-of-fold ``scores`` of small networks (confident learning), and an
``audit``. An audited label settles its pair: it is in doubt where the audit says otherwise, and firm where it agrees,
whatever the other sources say.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.io.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("image", "file_name", "split", "attribute", "label", "score", "doubt", "reasons", "hints", "doubtful")
"""Of the table, in order of attributes and images; texts are categories.

image: row of the dataset. label: -1 or +1. score: probability, 0 to 1, that the attribute is present, of a network that
learned from other images; NaN where there is none. doubt: 0 to 1, NaN likewise; the larger, the less the score agrees
with the label, given how networks score this class. reasons: what puts it in doubt, names with ``; `` between them: of
rules, ``scores``, ``audit``; empty of firm ones. hints: names of soft rules, which put nothing in doubt by themselves.
doubtful: whether there are reasons. On drawn faces there is one more, ``falsified``: whether the label was falsified on
purpose.
"""
FALSIFIED = "falsified"
SOURCES = RULES, SCORES, AUDIT = "rules", "scores", "audit"
"""What can say that labels are in doubt; `scores` and `audit` are reasons, too."""
BETWEEN = "; "
"""Between several reasons."""
SOURCE_NAMES = {RULES: "contradictions", SCORES: "out-of-fold scores", AUDIT: "an audit"}
"""What each of `SOURCES` is called in text."""
IN_WORDS = {
    RULES: "labels contradict each other",
    SCORES: "networks that learned from other images disagree with it",
    AUDIT: "an audit disagrees with it",
}
"""What each of `SOURCES` says of a label, in words that follow on ``where`` or a colon."""


def names_in(texts: str) -> list[str]:
    """Return the names of a cell of reasons or hints."""
    return texts.split(BETWEEN) if texts else []


def sources_in(reasons: str) -> set[str]:
    """Return what puts a label in doubt, of `SOURCES`, by a cell of reasons: all but two are names of rules."""
    return {name if name in (SCORES, AUDIT) else RULES for name in names_in(reasons)}


def in_words(reasons: str) -> str:
    """Return the reasons of a pair, as the table has them, in words: rules by their names, then what else says so."""
    names = names_in(reasons)
    rules = [name for name in names if name not in SOURCES]
    words = [f"{IN_WORDS[RULES]} ({BETWEEN.join(rules)})"] if rules else []
    return BETWEEN.join(words + [IN_WORDS[name] for name in (SCORES, AUDIT) if name in names])


def doubted_pairs(path: Path | str) -> "pd.DataFrame":
    """Return the pairs whose label is in doubt: columns image, file_name, attribute, reasons.

    Raises:
        UserError: The file is missing, damaged or no such table.
    """
    return read_table(path, ["image", "file_name", "attribute", "reasons"], only="doubtful")
