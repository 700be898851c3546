"""What the columns of each table's file are, for whoever puts tables of several runs beside each other.

It stands apart from `faceflip.workflow.products`: what that says of a table is a parameter of the job that makes it, so
that all finished runs would make their tables anew.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class TableColumns:
    """What the columns of a table's file are; all that are not named are numbers.

    Attributes:
        keys: They tell the rows apart. A run may lack some of them.
        words: Text that is neither key nor number.
        intervals: A number, and the columns with the ends of its 95 % interval.
    """

    keys: tuple[str, ...]
    words: tuple[str, ...] = ()
    intervals: tuple[tuple[str, str, str], ...] = ()

    @property
    def ends(self) -> frozenset[str]:
        """The columns that are ends of intervals."""
        return frozenset(end for _, *both in self.intervals for end in both)


def _with_ends(number: str, prefix: str = "") -> tuple[str, str, str]:
    return number, f"{prefix}low", f"{prefix}high"


_MATRIX = TableColumns(("network", "checkpoint", "attack", "search", "source", "target"), (), (_with_ends("rate"),))
_TUNED = ("source", "checkpoint", "network", "diet", "share", "sample")
_AGAINST_CONTROL = _with_ends("against_control", "control_")

COLUMNS = {
    "classification_error": TableColumns(
        ("method", "attribute"), ("origin",), (_with_ends("error"), _with_ends("balanced_error", "balanced_"))
    ),
    "flippability": TableColumns(("network", "method", "sign", "search", "threshold"), (), (_with_ends("rate"),)),
    "success": TableColumns(
        ("network", "method", "search", "sign", "attribute", "threshold"), (), (_with_ends("rate"),)
    ),
    "overview": TableColumns(("network", "checkpoint", "attack")),
    "best_known": TableColumns(("network", "attribute", "sign", "size"), ("found_by",)),
    "optimality": TableColumns(("network", "attribute", "attack", "size"), (), (_with_ends("optimality"),)),
    "robust_accuracy": TableColumns(
        ("network", "attack", "attribute", "measure", "budget"),
        (),
        (_with_ends("rate"), _with_ends("balanced_rate", "balanced_")),
    ),
    "line_search": TableColumns(("network", "checkpoint", "attack")),
    "transferability": _MATRIX,
    "correlation": _MATRIX,
    "checkpoint_overlap": TableColumns(("network", "checkpoint", "method", "search", "sign")),
    "trainings": TableColumns(("network", "member"), ("ended",)),
    # A network can have several warnings of a kind, which their text alone tells apart.
    "warnings": TableColumns(("kind", "network", "checkpoint", "attack", "text")),
    "statistics": TableColumns(("id",), ("group", "quantity", "unit"), (_with_ends("value"),)),
    "paper_comparison": TableColumns(
        ("id",), ("item", "quantity", "unit", "verdict", "status", "note"), (_with_ends("ours"),)
    ),
    "paper_claims": TableColumns(("id",), ("item", "claim", "criterion", "found", "verdict", "status")),
    "label_doubt": TableColumns(("split", "attribute"), (), (_with_ends("auroc"),)),
    "transferability_between": TableColumns(
        ("network", "checkpoint", "attack", "target", "attribute"), (), (_with_ends("rate"),)
    ),
    "seeds": TableColumns(("group", "measure", "attack", "sign"), (), (_with_ends("value"),)),
    "fine_tuning": TableColumns(
        (*_TUNED, "attack", "threshold", "measure", "seed"), (), (_with_ends("value"), _AGAINST_CONTROL)
    ),
    "fine_tuning_natural": TableColumns(
        (*_TUNED, "fed", "sign", "seed"), (), (_with_ends("cured_share"), _AGAINST_CONTROL)
    ),
}
"""By the names of tables (`faceflip.workflow.products.EVERY_TABLE`)."""
