"""How trainings ended: epochs, which of them was kept as converged, and whether the cap or patience ended it.

A row is one training. The epoch kept is the one with the lowest validation error among those that may count as
converged. A training that patience ended went on for some epochs without a lower error. One that the cap
(`training.max_epochs`) ended might have gone on; where its last epoch is the one kept, its validation error was still
falling, and calling it converged says little. A training error far below the validation error is a network that learned
its images by heart.

While they train, networks count wrong answers alone, not of which class: there is no balanced error of these epochs. On
a biased attribute an error that falls no further may be that of an answer that never changes. What became of the two
classes on the test split stands in the table of classification errors, for each checkpoint that was kept.
"""

from collections.abc import Iterable

import pandas as pd

from faceflip.analysis.frames import Inputs, in_order, read_csv
from faceflip.analysis.names import display_name, ordered
from faceflip.analysis.pages import Column, Sheet, percent
from faceflip.analysis.run import RunDescription
from faceflip.training.hyperparameters import TrainingOptions

CAP, PATIENCE = "cap", "patience"
COLUMNS = ["network", "member", "epochs", "kept", "ended", "training_error", "validation_error"]
COLUMNS += ["last_training_error", "last_validation_error"]


def trainings(histories: Iterable[pd.DataFrame], run: RunDescription) -> pd.DataFrame:
    """Summarise the histories of trainings, one each.

    Returns:
        Columns network, member, epochs (run), kept (the epoch), ended (by the ``cap`` or by ``patience``),
        training_error and validation_error of the epoch kept, and those of the last epoch (fractions).
    """
    rows = [_row(history.sort_values("epoch"), run) for history in histories if len(history)]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return in_order(frame, {"network": run.network_names, "member": ordered(frame["member"], run.attributes)})


def _row(history: pd.DataFrame, run: RunDescription) -> list:
    first = history.iloc[0]
    options = TrainingOptions(**run.network(first["network"]).training)
    kept = options.converged_epoch(history["validation_error"].tolist())
    patient = len(history) - kept >= options.patience
    chosen, last = history.iloc[kept - 1], history.iloc[-1]
    errors = (each[name] for each in (chosen, last) for name in ("training_error", "validation_error"))
    return [first["network"], first["member"], len(history), kept, PATIENCE if patient else CAP, *errors]


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `trainings` of the run's histories."""
    return trainings(map(read_csv, inputs["histories"]), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the trainings out, a row each."""
    rows = [
        [
            run.network(row["network"]).title,
            "all attributes" if run.network(row["network"]).joint else display_name(row["member"]),
            str(row["epochs"]),
            str(row["kept"]),
            row["ended"] + (", error still falling" if row["ended"] == CAP and row["kept"] == row["epochs"] else ""),
            *(percent(row[name], 2) for name in COLUMNS[5:]),
        ]
        for row in frame.to_dict("records")
    ]
    heads = [Column("network", align="l"), Column("trained for", align="l"), Column("epochs"), Column("epoch kept")]
    heads += [Column("ended by", align="l")]
    heads += [
        Column(name, f"error, percent, {when}")
        for when in ("epoch kept", "last")
        for name in ("training", "validation")
    ]
    changes = frozenset(place for place in range(1, len(rows)) if rows[place][0] != rows[place - 1][0])
    notes = [] if rows else ["This run trained no network."]
    return [Sheet("How trainings ended", heads, rows, notes, changes)]
