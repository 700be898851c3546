"""Every number of the paper beside this run's.

Ours and the difference stand only where the run is comparable for that number: on CelebA with the paper's splits,
attributes, network, training, attacks, PASS and number of attacked images, as far as the number depends on them.
Elsewhere the status says what makes the run another experiment. What is marked as a setting was chosen or given and not
found: ours is what this run was set to, and a difference says that the run is another experiment. A note tells what the
paper's number rests on, and where the paper contradicts itself.
"""

import math
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

import pandas as pd

from faceflip.analysis.frames import Inputs, read_csv
from faceflip.analysis.pages import Column, Sheet
from faceflip.analysis.run import PAPER_EARLY, PAPER_ROLES, RunDescription
from faceflip.catalogue import ATTACKS, LINE

TESTED = ("data", "attributes", "network")
CLASSIFIED = (*TESTED, "sample")
FLIPPED = (*CLASSIFIED, "attacks")
SCORED = (*FLIPPED, "similarity")
ADVERSARIAL = (*SCORED, "threshold")
ONE_PAIR = tuple(aspect for aspect in ADVERSARIAL if aspect != "attributes")
PUBLISHED = ("attributes",)
"""What numbers depend on (`RunDescription.not_of_paper`): test errors, errors on the sample, flips whatever their PASS,
flips from a stated PASS on, adversarial images, those of single cells, published errors."""

TABLES_READ = ("flippability", "checkpoint_overlap", "statistics", "transferability", "correlation")

COMPARABLE, SETTING = "comparable", "setting"
DOUBLING = "doubling"
"""The paper's line search."""
PAPER_SIGNS = {"pos": "+", "neg": "-"}


class Source(NamedTuple):
    """A statistic that a number of the text is compared with: its id, what it depends on, ``value`` or ``count``."""

    statistic: str
    aspects: tuple[str, ...] = ADVERSARIAL
    column: str = "value"


TEXT = {
    "txt_err_separate": Source("error_euclidean", TESTED),
    "txt_err_softmax": Source("error_softmax", TESTED),
    "txt_err_2epochs": Source("error_euclidean_epoch2", TESTED),
    "txt_err_moon": Source("error_moon", TESTED),
    "txt_err_lnet": Source("error_lnets_anet", PUBLISHED),
    "txt_err_facetracer": Source("error_facetracer", PUBLISHED),
    "txt_err_trivial": Source("error_trivial_train", ("data", "attributes")),
    "txt_rel_lnet": Source("improvement_euclidean_over_lnets_anet", TESTED),
    "txt_rel_facetracer": Source("improvement_euclidean_over_facetracer", TESTED),
    "txt_rel_trivial": Source("improvement_euclidean_over_trivial_train", TESTED),
    "txt_p_softmax": Source("ttest_attributes_euclidean_vs_softmax_p", TESTED),
    "txt_p_lnet": Source("ttest_attributes_euclidean_vs_lnets_anet_p", TESTED),
    "txt_p_moon": Source("ttest_attributes_euclidean_vs_moon_p", TESTED),
    "txt_p_2epochs": Source("ttest_attributes_euclidean_epoch2_vs_euclidean_p", TESTED),
    "txt_natural_share": Source("natural_euclidean_converged_ffa-line"),
    "txt_mffa_natural_avg": Source("natural_moon_converged_ffa-line"),
    "txt_fgs_total_2epochs": Source("adversarial_euclidean_epoch2_fgs-line", column="count"),
    "txt_fgs_total_converged": Source("adversarial_euclidean_converged_fgs-line", column="count"),
    "txt_fgs_total_overlap": Source("overlap_euclidean_fgs"),
    "txt_ffa_natural_lost": Source("natural_lost_euclidean_ffa"),
    "txt_ffa_natural_lost_correct": Source("natural_lost_correct_euclidean_ffa", column="count"),
    "txt_half_differ": Source("natural_differ_epoch2_euclidean_ffa"),
    "txt_ffa_total_euclidean": Source("adversarial_euclidean_converged_ffa-line", column="count"),
    "txt_ffa_total_softmax": Source("adversarial_softmax_converged_ffa-line", column="count"),
    "txt_fgs_total_softmax": Source("adversarial_softmax_converged_fgs-line", column="count"),
    "txt_port_diag": Source("portability_epoch2_diagonal"),
    "set_lnet_margin": Source("margin_lnets_anet", TESTED),
    "drv_train_err_euclidean": Source("wrong_euclidean_converged_ffa-line", CLASSIFIED),
    "drv_train_err_moon": Source("wrong_moon_converged_ffa-line", CLASSIFIED),
    "drv_train_err_softmax": Source("wrong_softmax_converged_ffa-line", CLASSIFIED),
}

LIKE_TABLE_1 = {
    "txt_flip_fgs": "t1_euclidean_fgs_pos_linesearch_tau0",
    "txt_flip_ffa": "t1_euclidean_ffa_pos_linesearch_tau0",
    "txt_adv_fgs": "t1_euclidean_fgs_pos_linesearch_tau0.95",
    "txt_adv_ffa": "t1_euclidean_ffa_pos_linesearch_tau0.95",
    "txt_iter_ffa": "t1_euclidean_ffa_pos_iterative_tau0.95",
    "txt_iter_mffa": "t1_moon_mffa_pos_iterative_tau0.95",
    "txt_ls_mffa": "t1_moon_mffa_pos_linesearch_tau0.95",
}
"""Numbers of the text that repeat a cell of Table 1."""

CELLS = {
    "txt_port_goatee_nobeard": ("transferability", "converged", ("Goatee",), "No_Beard"),
    "txt_port_paleskin_makeup": ("transferability", "epoch2", ("Pale_Skin",), "Heavy_Makeup"),
    "txt_corr_nobeard": ("correlation", "iterative", ("Goatee", "Mustache", "Sideburns"), "No_Beard"),
    "txt_corr_attractive": (
        "correlation",
        "iterative",
        ("Blurry", "Chubby", "Double_Chin", "Receding_Hairline", "Young"),
        "Attractive",
    ),
}
"""Numbers of the text that are (the least of) cells of a matrix: table, which matrix, columns, row."""


def paper_reference() -> pd.DataFrame:
    """Return the paper's numbers: columns id, item, quantity, value, unit, note, all as text."""
    with resources.files("faceflip.analysis").joinpath("reference/paper_reference.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype="str", keep_default_na=False)


def paper_comparison(tables: Mapping[str, pd.DataFrame], run: RunDescription) -> pd.DataFrame:
    """Put each number of the paper beside ours in `TABLES_READ`.

    Returns:
        Columns id, item, quantity, unit, paper, ours, difference (ours minus the paper's; NaN where either is no
        number), status (``comparable``, ``setting`` or ``not comparable: why``), note; in the paper's units.
    """
    lookup = _Lookup(tables, run)
    rows = []
    for row in paper_reference().to_dict("records"):
        paper, note = row.pop("value"), row.pop("note")
        ours, reasons = lookup.ours(row["id"], row["unit"])
        if ours is None and not reasons:
            reasons = ["this run has no such number"]
        if reasons:
            found = {"ours": "", "difference": math.nan, "status": "not comparable: " + ", ".join(reasons)}
        else:
            found = {"ours": str(ours), "difference": _number(ours) - _number(paper)}
            found["status"] = SETTING if _is_setting(row["id"]) else COMPARABLE
        rows.append({**row, "paper": paper, **found, "note": note})
    return pd.DataFrame(rows)


def _is_setting(id_: str) -> bool:
    return id_.startswith("set_") and id_ not in TEXT


class _Lookup:
    """Finds our counterpart of a number, and why it is none.

    What the paper says of its networks is compared with those of the run that stand for them, whatever their names.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], run: RunDescription):
        self.tables = tables
        self.run = run
        self.statistics = tables["statistics"].set_index("id")
        found = {role: run.paper_network(role) for role in PAPER_ROLES}
        self.names = {role: network and network.name for role, network in found.items()}

    def ours(self, id_: str, unit: str) -> tuple[float | int | str | None, list[str]]:
        """Return our number in the paper's unit, None where the run does not have it, and why it is not comparable."""
        if id_ in LIKE_TABLE_1:
            return self.ours(LIKE_TABLE_1[id_], unit)
        if id_ == "txt_err_kalayeh":
            return None, ["a network of others, not part of this experiment"]
        if id_ == "set_vgg_input":
            return None, ["about the network that the paper started from"]
        if _is_setting(id_):
            return self._setting(id_), self._unlike(id_)
        value, aspects = self._measured(id_)
        reasons = list(self.run.not_of_paper(*aspects))
        if value is None or math.isnan(value):
            return None, reasons
        scale = 100.0 if unit in ("percent", "percentage point") else 1
        return (int(value) if unit == "count" else float(value) * scale), reasons

    def _measured(self, id_: str) -> tuple[float | None, tuple[str, ...]]:
        if id_.startswith("t1_"):
            return self._table1(id_)
        if id_.startswith("t2_"):
            return self._table2(id_), ADVERSARIAL
        if id_ in CELLS:
            return self._cell(*CELLS[id_]), ONE_PAIR
        source = TEXT[id_]
        # Ids have the run's names of the paper's networks.
        words = [self.names.get(word, word) for word in source.statistic.split("_")]
        found = None if None in words else self.statistics[source.column].get("_".join(words))
        return (None if found is None or pd.isna(found) else float(found)), source.aspects

    def _rows(self, table: str, role: str, **keys: str) -> pd.DataFrame:
        """Return the rows of a table of the network that stands for one of the paper's, with these values."""
        frame = self.tables[table]
        chosen = frame["network"] == self.names[role]
        for column, value in keys.items():
            chosen &= frame[column] == value
        return frame[chosen]

    def _table1(self, id_: str) -> tuple[float | None, tuple[str, ...]]:
        role, method, sign, *cell = id_.removeprefix("t1_").split("_")
        method = method.removeprefix("m")
        found = self._rows("flippability", role, method=method, sign=PAPER_SIGNS[sign])
        if cell == ["total"]:
            return _only(found["total"].drop_duplicates()), CLASSIFIED
        search, tau = cell[0].removesuffix("search"), float(cell[1].removeprefix("tau"))
        rate = _only(found.loc[(found["search"] == search) & (found["threshold"] == tau), "rate"])
        return rate, SCORED if tau > 0 else FLIPPED

    def _table2(self, id_: str) -> float | None:
        role, method, sign, column = id_.removeprefix("t2_").split("_")
        keys = {"checkpoint": PAPER_EARLY, "method": method, "search": LINE, "sign": PAPER_SIGNS[sign]}
        return _only(self._rows("checkpoint_overlap", role, **keys)[column.replace("2epochs", "early")])

    def _cell(self, table: str, which: str, sources: tuple[str, ...], target: str) -> float | None:
        key, role = ("checkpoint", "euclidean") if table == "transferability" else ("search", "moon")
        found = self._rows(table, role, **{key: which})
        found = found[found["source"].isin(sources) & (found["target"] == target)]
        return float(found["rate"].min()) if len(found) == len(sources) else None

    def _unlike(self, id_: str) -> list[str]:
        """Return why a setting has no counterpart in this run."""
        if id_ in ("set_cela_total", "set_train", "set_valtest"):  # of CelebA, not of other images
            return list(self.run.not_of_paper("data"))
        if id_ == "set_linesearch_factor":
            lines = [name for name, entry in ATTACKS.items() if entry.search == DOUBLING]
            searches = {name: self.run.attacks.get(name, {}).get("search", DOUBLING) for name in lines}
            return [f"{name} with search {search}" for name, search in searches.items() if search != DOUBLING]
        return []

    def _setting(self, id_: str) -> float | int | str | None:
        run = self.run
        network = run.paper_network("euclidean") or run.networks[0]
        training = network.training
        early = PAPER_EARLY if PAPER_EARLY in network.early else next(iter(network.early), None)
        others = [tau for tau in run.thresholds if tau != run.threshold]
        return {
            # Nobody can change these: they are the method itself.
            "set_step": 1,
            "set_pixel_max": 255,
            "set_threshold": 0,
            "set_magnify": 10,
            "set_linesearch_factor": 2,
            "set_images": run.sample["images"],
            "set_attributes": len(run.attacked),
            "set_tau": run.threshold,
            "set_tau_list": ";".join(f"{tau:g}" for tau in others),
            "set_batch": training["batch_size"],
            "set_iters": math.ceil(run.images["train"] / training["batch_size"]),
            "set_lr": training["learning_rate"],
            "set_epochs_min": training["min_epochs"],
            "set_epochs_max": training["max_epochs"],
            "set_epoch_early": int(early.removeprefix("epoch")) if early else None,
            "set_layers": 16 if network.architecture["name"] == "vgg16" else None,
            "set_input_w": run.input_width,
            "set_input_h": run.input_height,
            "set_cela_total": sum(run.images.values()),
            "set_train": run.images["train"],
            "set_valtest": run.images["validation"] + run.images["test"],
        }[id_]


def _only(values: pd.Series) -> float | None:
    return values.iloc[0] if len(values) == 1 and not pd.isna(values.iloc[0]) else None


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `paper_comparison` of the run's tables."""
    return paper_comparison({name: read_csv(inputs[name]) for name in TABLES_READ}, run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the comparison out, a sheet for each part of the paper; why rows are not comparable stands below."""
    parts = {"t1_": "Table 1", "t2_": "Table 2", "txt": "Text", "set": "Settings", "drv": "Derived from the paper"}
    heads = [Column(name, align="l") for name in ("where", "quantity", "unit")]
    heads += [Column(name) for name in ("paper", "ours", "difference")]
    heads += [Column(name, align="l") for name in ("comparable", "note")]
    made = []
    for prefix, title in parts.items():
        part = frame[frame["id"].str.startswith(prefix)]
        marks, notes = {COMPARABLE: "yes", SETTING: SETTING}, []
        for status in part["status"].unique():
            if status not in marks:
                marks[status] = f"no ({len(notes) + 1})"
                notes.append(f"({len(notes) + 1}) {status[0].upper()}{status[1:]}.")
        rows = []
        for row in part.to_dict("records"):
            difference = "" if math.isnan(row["difference"]) else _short(row["difference"], "+")
            numbers = [_short(row["paper"]), _short(row["ours"]), difference]
            rows.append([row["item"], row["quantity"], row["unit"], *numbers, marks[row["status"]], row["note"]])
        if SETTING in part["status"].array:
            notes.append("Setting: chosen or given, not found. Ours is what this run was set to.")
        made.append(Sheet(f"{title}, beside the paper", heads, rows, notes))
    return made


def _number(value: str | float) -> float:
    """Return a number, NaN where the value is another text."""
    try:
        return float(value)
    except ValueError:
        return math.nan


def _short(value: str | float, sign: str = "") -> str:
    """Return a number with four digits, whole ones with all of theirs, and text as it is."""
    number = _number(value)
    if math.isnan(number):
        return value
    return f"{number:{sign},.0f}" if number.is_integer() and abs(number) >= 1 else f"{number:{sign}.4g}"
