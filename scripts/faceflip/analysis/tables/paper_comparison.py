"""Every number of the paper beside this run's.

Ours stands wherever the run has such a number. Whether it can be compared is judged for each row by what it depends on:
CelebA with the paper's splits, attributes, the networks that it is about and their training, the attack, PASS, and the
number of attacked images. Where it cannot be compared the row says why, and there is no difference; where it can, but
something is to be known, it says what: a few images fewer, or another choice where the paper gives none. What is marked
as a setting was chosen or given and not found. Where the paper states a bound ("more than half"), there is a verdict:
it holds in this run, fails, or, where the bound lies in the 95 % interval of ours, cannot be told. A note says what the
paper's number rests on, and where the paper contradicts itself.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

import pandas as pd

from faceflip.analysis.comparability import Basis, departures, guesses, verdict
from faceflip.analysis.frames import Inputs, read_csv
from faceflip.analysis.pages import Cell, Column, Sheet, nothing
from faceflip.analysis.run import PAPER_EARLY, PAPER_ROLES, RunDescription
from faceflip.analysis.statistics.verdicts import beyond
from faceflip.analysis.tables.classification_error import UNCONFIRMED, UNCONFIRMED_NOTE
from faceflip.catalogue import ITERATIVE, LINE, PAPER_ATTACKS

TESTED = ("data", "attributes", "network")
CLASSIFIED = (*TESTED, "sample")
FLIPPED = (*CLASSIFIED, "attacks")
SCORED = (*FLIPPED, "similarity")
ADVERSARIAL = (*SCORED, "threshold")
ONE_PAIR = tuple(aspect for aspect in ADVERSARIAL if aspect != "attributes")
"""Aspects (`Basis`) that numbers depend on: test errors, errors on the sample, flips whatever their PASS, flips from a
stated PASS on, adversarial images, those of single cells."""

COLUMNS = ["id", "item", "quantity", "unit", "paper", "ours", "low", "high", "difference", "verdict", "status", "note"]
NOT_LIKE_PAPER = (
    "The paper's numbers are of CelebA's 40 attributes. This run has others, so nothing stands beside them."
)

TABLES_READ = ("flippability", "checkpoint_overlap", "statistics", "transferability", "correlation", "trainings")

COMPARABLE, SETTING, NOT_COMPARABLE = "comparable", "setting", "not comparable"
DOUBLING = "doubling"
"""The paper's line search."""
PAPER_SIGNS = {"pos": "+", "neg": "-"}
FGS, FFA, FFA_ITERATIVE = f"fgs-{LINE}", f"ffa-{LINE}", f"ffa-{ITERATIVE}"
SOFTMAX, MOON, EUCLIDEAN = ("softmax",), ("moon",), ("euclidean",)


class Source(NamedTuple):
    """Statistics that a number of the text is compared with, the least of several, and what it rests on.

    `column` is ``value`` or ``count``; `roles` and `attacks` are as in `Basis`.
    """

    statistics: tuple[str, ...]
    aspects: tuple[str, ...]
    roles: tuple[str, ...] = EUCLIDEAN
    attacks: tuple[str, ...] = ()
    column: str = "value"


def _tested(statistic: str, *roles: str) -> Source:
    return Source((statistic,), TESTED, roles or EUCLIDEAN)


def _counted(statistic: str, attack: str, role: tuple[str, ...] = EUCLIDEAN, column: str = "count") -> Source:
    return Source((statistic,), ADVERSARIAL, role, (attack,), column)


TEXT = {
    "txt_err_separate": _tested("error_euclidean"),
    "txt_err_softmax": _tested("error_softmax", "softmax"),
    "txt_err_2epochs": _tested("error_euclidean_epoch2"),
    "txt_err_moon": _tested("error_moon", "moon"),
    "txt_err_lnet": Source(("error_lnets_anet",), ("attributes",)),
    "txt_err_facetracer": Source(("error_facetracer",), ("attributes",)),
    "txt_err_trivial": Source(("error_trivial_train",), ("data", "attributes")),
    "txt_rel_lnet": _tested("improvement_euclidean_over_lnets_anet"),
    "txt_rel_facetracer": _tested("improvement_euclidean_over_facetracer"),
    "txt_rel_trivial": _tested("improvement_euclidean_over_trivial_train"),
    "txt_p_softmax": _tested("ttest_attributes_euclidean_vs_softmax_p", "euclidean", "softmax"),
    "txt_p_lnet": _tested("ttest_attributes_euclidean_vs_lnets_anet_p"),
    "txt_p_moon": _tested("ttest_attributes_euclidean_vs_moon_p", "euclidean", "moon"),
    "txt_p_2epochs": _tested("ttest_attributes_euclidean_epoch2_vs_euclidean_p"),
    "txt_natural_share": _counted("natural_euclidean_converged_ffa-line", FFA, column="value"),
    "txt_mffa_natural_avg": Source(
        ("natural_moon_converged_ffa-line", "natural_moon_converged_ffa-iterative"),
        ADVERSARIAL,
        MOON,
        (FFA, FFA_ITERATIVE),
    ),
    "txt_fgs_total_2epochs": _counted("adversarial_euclidean_epoch2_fgs-line", FGS),
    "txt_fgs_total_converged": _counted("adversarial_euclidean_converged_fgs-line", FGS),
    "txt_fgs_total_overlap": _counted("overlap_euclidean_fgs", FGS, column="value"),
    "txt_ffa_natural_lost": _counted("natural_lost_euclidean_ffa", FFA, column="value"),
    "txt_ffa_natural_lost_correct": _counted("natural_lost_correct_euclidean_ffa", FFA),
    "txt_half_differ": _counted("natural_differ_epoch2_euclidean_ffa", FFA, column="value"),
    "txt_ffa_total_euclidean": _counted("adversarial_euclidean_converged_ffa-line", FFA),
    "txt_ffa_total_softmax": _counted("adversarial_softmax_converged_ffa-line", FFA, SOFTMAX),
    "txt_fgs_total_softmax": _counted("adversarial_softmax_converged_fgs-line", FGS, SOFTMAX),
    "txt_port_diag": _counted("portability_epoch2_diagonal", FFA, column="value"),
    "set_lnet_margin": _tested("margin_lnets_anet"),
    "drv_train_err_euclidean": Source(("wrong_euclidean_converged",), CLASSIFIED),
    "drv_train_err_moon": Source(("wrong_moon_converged",), CLASSIFIED, MOON),
    "drv_train_err_softmax": Source(("wrong_softmax_converged",), CLASSIFIED, SOFTMAX),
}

PUBLISHED = ("txt_err_lnet", "txt_err_facetracer")
"""Numbers that the paper took from print, as this run does."""

BESIDE = {"txt_fgs_total_overlap": ("overlap_any_sign_euclidean_fgs", "with changed signs ours is")}
"""Statistics that a note tells beside ours, and what it calls them."""

EPOCHS = {"set_epochs_min": "min", "set_epochs_max": "max"}
"""The least and the most epochs that the separate networks took to converge."""

OF_CELEBA = ("set_cela_total", "set_train", "set_valtest")
"""Settings that are CelebA's own."""

BOUNDS = {
    "txt_p_lnet": "below",
    "txt_p_2epochs": "below",
    "txt_mffa_natural_avg": "above",
    "txt_half_differ": "above",
    "txt_port_diag": "above",
    "txt_corr_nobeard": "above",
    "txt_corr_attractive": "above",
    "set_lnet_margin": "below",
}
"""Numbers of the paper that are bounds, and on which side ours is to be."""

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


class Ours(NamedTuple):
    """Our number in the paper's unit with its interval, None where the run has none; and what it rests on."""

    value: float | int | str | None
    basis: Basis
    low: float = math.nan
    high: float = math.nan


def paper_comparison(tables: Mapping[str, pd.DataFrame], run: RunDescription) -> pd.DataFrame:
    """Put each number of the paper beside ours in `TABLES_READ`.

    Returns:
        Columns id, item, quantity, unit, paper, ours, low, high (95 %), difference (ours minus the paper's where they
        are comparable numbers), verdict (of bounds: ``holds``, ``fails``, ``cannot tell``), status (``comparable``,
        ``comparable: what to know``, ``setting`` or ``not comparable: why``), note; in the paper's units.
    """
    lookup = _Lookup(tables, run)
    rows = []
    for row in paper_reference().to_dict("records"):
        id_, paper, note = row["id"], row.pop("value"), row.pop("note")
        ours = lookup.ours(id_, row["unit"])
        status = lookup.status(id_, ours)
        difference = math.nan if status.startswith(NOT_COMPARABLE) else _number(ours.value) - _number(paper)
        found = {"ours": "" if ours.value is None else str(ours.value), "low": ours.low, "high": ours.high}
        found |= {"difference": difference, "verdict": "", "status": status}
        if id_ in BOUNDS:
            found["verdict"] = beyond(BOUNDS[id_], float(paper), *_interval(ours))
        rows.append({**row, "paper": paper, **found, "note": note + lookup.beside(id_)})
    return pd.DataFrame(rows)


def _interval(ours: Ours) -> tuple[float, float]:
    """Return the ends of an interval, the number itself where it has none."""
    ends = (ours.low, ours.high)
    return (_number(ours.value),) * 2 if math.isnan(ours.low) else ends


def _is_setting(id_: str) -> bool:
    return id_.startswith("set_") and id_ not in TEXT and id_ not in EPOCHS


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

    def ours(self, id_: str, unit: str) -> Ours:
        """Return our number in the paper's unit."""
        if id_ in LIKE_TABLE_1:
            return self.ours(LIKE_TABLE_1[id_], unit)
        if id_ in ("txt_err_kalayeh", "set_vgg_input"):
            return Ours(None, Basis())
        if _is_setting(id_):
            return Ours(self._setting(id_), Basis(("data",) if id_ in OF_CELEBA else ()))
        found = self._measured(id_)
        if found.value is None or math.isnan(found.value):
            return found._replace(value=None)
        scale = 100.0 if unit in ("percent", "percentage point") else 1
        value = int(found.value) if unit in ("count", "epochs") else float(found.value) * scale
        ends = (math.nan, math.nan) if unit == "count" else (scale * found.low, scale * found.high)
        return Ours(value, found.basis, *ends)

    def status(self, id_: str, ours: Ours) -> str:
        """Return whether a number is comparable with the paper's, and why not or what to know."""
        why, know = verdict(departures(self.run, ours.basis))
        why += self._other_reasons(id_)
        if ours.value is None and not why:
            why = ["this run has no such number"]
        if why:
            return f"{NOT_COMPARABLE}: {', '.join(why)}"
        if _is_setting(id_):
            return SETTING
        return COMPARABLE + (f": {', '.join(know)}" if know else "")

    def beside(self, id_: str) -> str:
        """Return what is to be added to a note of the paper's number, or nothing."""
        statistic, words = BESIDE.get(id_, ("", ""))
        value = self._statistic(statistic, "value")[0]
        return "" if math.isnan(value) else f"; {words} {value:,.0f}"

    def _other_reasons(self, id_: str) -> list[str]:
        if id_ == "txt_err_kalayeh":
            return ["a network of others, not part of this experiment"]
        if id_ == "set_vgg_input":
            return ["about the network that the paper started from"]
        if id_ in PUBLISHED:
            return ["ours is the published table, too, and nothing is measured"]
        if id_ == "set_linesearch_factor":
            lines = [name for name, entry in PAPER_ATTACKS.items() if entry.search == DOUBLING]
            searches = {name: self.run.attacks.get(name, {}).get("search", DOUBLING) for name in lines}
            return [f"{name} with search {search}" for name, search in searches.items() if search != DOUBLING]
        return []

    def _measured(self, id_: str) -> Ours:
        if id_.startswith("t1_"):
            return self._table1(id_)
        if id_.startswith("t2_"):
            return self._table2(id_)
        if id_ in CELLS:
            return self._cell(*CELLS[id_])
        if id_ in EPOCHS:
            kept = self._rows("trainings", "euclidean")["kept"]
            return Ours(kept.agg(EPOCHS[id_]) if len(kept) else None, Basis(TESTED, EUCLIDEAN))
        source = TEXT[id_]
        basis = Basis(source.aspects, source.roles, source.attacks)
        found = [self._statistic(statistic, source.column) for statistic in source.statistics]
        if any(pd.isna(numbers[0]) for numbers in found):
            return Ours(None, basis)
        value, low, high = (min(numbers) for numbers in zip(*found, strict=True))
        return Ours(value, basis, low, high)

    def _statistic(self, statistic: str, column: str) -> tuple[float, float, float]:
        """Return a statistic and the ends of its interval, NaN where the run has none."""
        # Ids have the run's names of the paper's networks.
        words = [self.names.get(word, word) for word in statistic.split("_")]
        name = None if None in words else "_".join(words)
        columns = (self.statistics.get(each, pd.Series(dtype=float)) for each in (column, "low", "high"))
        value, low, high = (float(pd.to_numeric(each.get(name, math.nan))) for each in columns)
        return value, low, high

    def _rows(self, table: str, role: str, **keys: str) -> pd.DataFrame:
        """Return the rows of a table of the network that stands for one of the paper's, with these values."""
        frame = self.tables[table]
        chosen = frame["network"] == self.names[role]
        for column, value in keys.items():
            chosen &= frame[column] == value
        return frame[chosen]

    def _table1(self, id_: str) -> Ours:
        role, method, sign, *cell = id_.removeprefix("t1_").split("_")
        method = method.removeprefix("m")
        found = self._rows("flippability", role, method=method, sign=PAPER_SIGNS[sign])
        if cell == ["total"]:
            return Ours(_only(found["total"].drop_duplicates()), Basis(CLASSIFIED, (role,)))
        search, tau = cell[0].removesuffix("search"), float(cell[1].removeprefix("tau"))
        found = found[(found["search"] == search) & (found["threshold"] == tau)]
        basis = Basis(SCORED if tau > 0 else FLIPPED, (role,), (f"{method}-{search}",))
        return Ours(_only(found["rate"]), basis, *_ends(found))

    def _table2(self, id_: str) -> Ours:
        role, method, sign, column = id_.removeprefix("t2_").split("_")
        keys = {"checkpoint": PAPER_EARLY, "method": method, "search": LINE, "sign": PAPER_SIGNS[sign]}
        value = _only(self._rows("checkpoint_overlap", role, **keys)[column.replace("2epochs", "early")])
        return Ours(value, Basis(ADVERSARIAL, (role,), (f"{method}-{LINE}",)))

    def _cell(self, table: str, which: str, sources: tuple[str, ...], target: str) -> Ours:
        key, role = ("checkpoint", "euclidean") if table == "transferability" else ("search", "moon")
        attack = FFA_ITERATIVE if which == ITERATIVE else FFA
        basis = Basis(ONE_PAIR, (role,), (attack,))
        found = self._rows(table, role, **{key: which})
        found = found[found["source"].isin(sources) & (found["target"] == target)]
        if len(found) != len(sources) or found["rate"].isna().any():
            return Ours(None, basis)
        ends = (float(found[end].min()) if end in found else math.nan for end in ("low", "high"))
        return Ours(float(found["rate"].min()), basis, *ends)

    def _setting(self, id_: str) -> float | int | str | None:
        run = self.run
        network = run.paper_network("euclidean") or run.networks[0]
        training = defaultdict(lambda: None, network.training)  # one that was trained elsewhere has none
        batch = training["batch_size"]
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
            "set_batch": batch,
            "set_iters": run.images["train"] // batch if batch else None,
            "set_lr": training["learning_rate"],
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


def _ends(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of the interval of a single row, NaN where it has none."""
    low, high = (_only(rows[end]) if end in rows else None for end in ("low", "high"))
    return (math.nan, math.nan) if low is None or high is None else (float(low), float(high))


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `paper_comparison` of the run's tables; of a run that is not `like_paper` no rows."""
    if not run.like_paper:
        return pd.DataFrame(columns=COLUMNS)
    return paper_comparison({name: read_csv(inputs[name]) for name in TABLES_READ}, run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the comparison out, a sheet for each part of the paper; what is to be known of rows stands below."""
    if not run.like_paper:
        return [nothing("Every number of the paper", NOT_LIKE_PAPER)]
    parts = {"t1_": "Table 1", "t2_": "Table 2", "txt": "Text", "set": "Settings", "drv": "Derived from the paper"}
    heads = [Column(name, align="l") for name in ("where", "quantity", "unit")]
    heads += [Column(name) for name in ("paper", "ours", "difference")]
    heads += [Column(name, align="l") for name in ("bound", "comparable", "note")]
    made = []
    for prefix, title in parts.items():
        part = frame[frame["id"].str.startswith(prefix)]
        marks, notes = {COMPARABLE: "yes", SETTING: SETTING}, []
        for status in part["status"].unique():
            if status not in marks:
                answer = "no" if status.startswith(NOT_COMPARABLE) else "yes"
                marks[status] = f"{answer} ({len(notes) + 1})"
                notes.append(f"({len(notes) + 1}) {status[0].upper()}{status[1:]}.")
        rows = []
        for row in part.to_dict("records"):
            difference = "" if math.isnan(row["difference"]) else _short(row["difference"], "+")
            ours: Cell = _short(row["ours"])
            if not math.isnan(row.get("low", math.nan)):
                ours = ours, f"[{row['low']:.4g}, {row['high']:.4g}]"
            mark = marks[row["status"]]
            words = [row["item"], row["quantity"], row["unit"], _short(row["paper"]), ours, difference]
            rows.append([*words, row["verdict"], mark, row["note"]])
        if SETTING in part["status"].array:
            notes.append("Setting: chosen or given, not found. Ours is what this run was set to.")
            notes.append(f"The paper gives no value of what follows; these are this run's own: {guesses(run)}.")
        if part["note"].str.contains(UNCONFIRMED).any():
            notes.append(UNCONFIRMED_NOTE)
        made.append(Sheet(f"{title}, beside the paper", heads, rows, notes))
    return made


def _number(value: str | float | None) -> float:
    """Return a number, NaN where the value is another text or nothing."""
    try:
        return math.nan if value is None else float(value)
    except ValueError:
        return math.nan


def _short(value: str | float, sign: str = "") -> str:
    """Return a number with four digits, whole ones with all of theirs, and text as it is."""
    number = _number(value)
    if math.isnan(number):
        return value
    return f"{number:{sign},.0f}" if number.is_integer() and abs(number) >= 1 else f"{number:{sign}.4g}"
