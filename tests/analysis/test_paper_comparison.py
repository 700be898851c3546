import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from faceflip.analysis.run import PAPER_NETWORK, PAPER_PASS, PAPER_TRAINING, RunDescription
from faceflip.analysis.tables import paper_comparison as module
from faceflip.analysis.tables.correlation import correlation
from faceflip.analysis.tables.paper_comparison import CELLS, TEXT, paper_comparison, paper_reference, sheets
from faceflip.analysis.tables.statistics import compute
from faceflip.analysis.tables.transferability import portability
from faceflip.data.celeba import ATTRIBUTES, SPLIT_SIZES

PAPER = RunDescription("celeba", SPLIT_SIZES, 1000, ATTRIBUTES, ATTRIBUTES)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """Tables of a run that found exactly what the paper did."""
    paper = paper_reference().set_index("id")["value"]
    sign = {"pos": "+", "neg": "-"}
    table1, table2 = [], {}
    for name in paper.index:
        if found := re.fullmatch(r"t1_(\w+?)_m?(fgs|ffa)_(pos|neg)_(line|iterative)(?:search)?_tau(.+)", name):
            network, method, which, search, tau = found.groups()
            total = paper[name.split("_linesearch")[0].split("_iterative")[0] + "_total"]
            row = (network, method, sign[which], search, float(tau), int(total), float(paper[name]) / 100)
            table1.append(row)
        elif found := re.fullmatch(r"t2_(\w+?)_(fgs|ffa)_(pos|neg)_(\w+)", name):
            network, method, which, column = found.groups()
            table2.setdefault((network, method, sign[which]), {})[column.replace("2epochs", "epoch2")] = int(
                paper[name]
            )
    statistics = {}
    for name, source in TEXT.items():
        value = float(paper[name]) / (
            100 if module.paper_reference().set_index("id")["unit"][name] in ("percent", "percentage point") else 1
        )
        statistics.setdefault(source.statistic, {})[source.column] = value
    cells = {"portability": [], "correlation": []}
    for name, (table, which, sources, target) in CELLS.items():
        cells[table] += [
            (which, source, target, float(paper[name]) / 100 + 0.01 * n) for n, source in enumerate(sources)
        ]
    return {
        "table1": pd.DataFrame(table1, columns=["network", "method", "sign", "search", "threshold", "total", "rate"]),
        "table2": pd.DataFrame(
            [(*key, *row.values()) for key, row in table2.items()],
            columns=["network", "method", "sign", "epoch2", "converged", "overlap"],
        ),
        "statistics": pd.DataFrame.from_dict(statistics, orient="index").rename_axis("id").reset_index(),
        "portability": pd.DataFrame(cells["portability"], columns=["checkpoint", "source", "target", "rate"]),
        "correlation": pd.DataFrame(cells["correlation"], columns=["search", "source", "target", "rate"]),
    }


def test_all_numbers_are_there():
    reference = paper_reference()
    assert len(reference) == 178
    assert reference["id"].is_unique
    assert (reference[["item", "quantity", "value", "unit"]] != "").all(axis=None)


def test_a_run_that_found_the_same_differs_nowhere(tables):
    table = paper_comparison(tables, PAPER).set_index("id")
    given = table["status"] == "setting"
    comparable = table[(table["status"] == "comparable") | given]
    assert set(table.index) - set(comparable.index) == {"txt_err_kalayeh", "set_vgg_input"}
    assert set(table.index[given]) == {name for name in table.index if name.startswith("set_")} - {
        "set_vgg_input",
        "set_lnet_margin",
    }
    results = comparable[~comparable.index.str.startswith("set_")]
    assert len(results) == 178 - 23 - 1
    assert results["difference"].abs().max() < 1e-9
    # The text rounds what it says of the data, so settings differ by a little.
    settings = comparable[comparable.index.str.startswith("set_") & comparable["difference"].notna()]
    differing = settings[settings["difference"].abs() > 1e-9].index
    assert set(differing) == {"set_iters", "set_cela_total", "set_train", "set_valtest"}


def test_differences_are_ours_minus_the_paper(tables):
    tables = dict(tables)
    tables["table1"] = tables["table1"].assign(
        rate=tables["table1"]["rate"] + 0.01, total=tables["table1"]["total"] + 7
    )
    table = paper_comparison(tables, PAPER).set_index("id")
    row = table.loc["t1_euclidean_fgs_pos_linesearch_tau0.95"]
    assert (float(row["paper"]), float(row["ours"])) == pytest.approx((23.0, 24.0))
    assert row["difference"] == pytest.approx(1)
    assert table.loc["t1_softmax_ffa_neg_total", "difference"] == 7
    # The text repeats the cell of the table.
    assert table.loc["txt_adv_fgs", "difference"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "reason", "untouched"),
    [
        ({"dataset": "synthetic"}, "synthetic faces", ["txt_err_lnet"]),
        ({"attributes": ATTRIBUTES[:8]}, "8 of 40 attributes", ["txt_port_goatee_nobeard"]),
        ({"width": 0.125}, "network at 0.125 of the width", ["txt_err_trivial", "txt_err_lnet"]),
        ({"input_width": 44, "input_height": 54}, "input of 44 x 54 instead of 178 x 218", ["txt_err_facetracer"]),
        ({"architecture": "resnet18"}, "network resnet18 instead of VGG-16", ["txt_err_trivial"]),
        ({"sample": 100}, "100 instead of 1,000 attacked images", ["txt_err_separate", "txt_p_moon"]),
        ({"images": {"train": 5, "validation": 3, "test": 2}}, "10 of CelebA's 202,599 images", ["txt_err_lnet"]),
        (
            {"attacks": {"fgs-line": {"fgs_label": "annotated"}}},
            "fgs-line with fgs_label annotated",
            ["txt_err_separate"],
        ),
        (
            {"training": {"separate": PAPER_TRAINING, "moon": PAPER_TRAINING | {"max_epochs": 8}}},
            "max_epochs 10 (separate networks) and 8 (MOON) instead of 10",
            ["txt_err_trivial"],
        ),
        (
            {"training": dict.fromkeys(("separate", "moon"), PAPER_TRAINING | {"learning_rate": 0.1})},
            "learning_rate 0.1 instead of 1e-05",
            ["txt_err_trivial"],
        ),
        (
            {"color": "gray"},
            "PASS of gray instead of rgb images",
            ["txt_err_separate", "t1_moon_mffa_pos_linesearch_tau0", "t1_moon_mffa_pos_total", "drv_train_err_moon"],
        ),
        (
            {"definition": PAPER_PASS | {"name": "pass-2", "ssim_window": 7}},
            "PASS with name pass-2 instead of pass-1, PASS with ssim_window 7 instead of 11",
            ["txt_err_separate", "t1_moon_mffa_pos_linesearch_tau0", "drv_train_err_moon"],
        ),
        (
            {"network": PAPER_NETWORK | {"pooling": "floor"}},
            "network with pooling floor instead of ceil",
            ["txt_err_trivial"],
        ),
    ],
)
def test_why_a_run_is_not_comparable(tables, change, reason, untouched):
    table = paper_comparison(tables, dataclasses.replace(PAPER, **change)).set_index("id")
    row = table.loc["t1_euclidean_ffa_pos_linesearch_tau0.95"]
    assert row["status"].startswith("not comparable: ")
    assert reason in row["status"]
    assert row["ours"] == ""
    assert np.isnan(row["difference"])
    assert (table.loc[untouched, "status"] == "comparable").all()


def test_what_counts_as_adversarial_hangs_on_the_threshold(tables):
    status = paper_comparison(tables, dataclasses.replace(PAPER, threshold=0.9)).set_index("id")["status"]
    expected = "not comparable: adversarial from PASS 0.9 instead of 0.95 on"
    counted = ["t2_softmax_fgs_neg_overlap", "txt_natural_share", "txt_port_diag", *CELLS]
    assert (status[counted] == expected).all()
    # The columns of Table 1 have thresholds of their own.
    assert (status[["t1_softmax_ffa_neg_linesearch_tau0.95", "txt_adv_fgs", "txt_err_moon"]] == "comparable").all()


def test_settings_are_taken_from_the_run_and_compare_nothing(tables):
    run = dataclasses.replace(PAPER, sample=100, images={"train": 5, "validation": 3, "test": 2})
    table = paper_comparison(tables, run).set_index("id")
    assert table.loc["set_images", ["ours", "difference", "status"]].tolist() == ["100", -900, "setting"]
    # Numbers of other images say nothing of CelebA.
    counts = ["set_cela_total", "set_train", "set_valtest"]
    assert (table.loc[counts, "status"] == "not comparable: 10 of CelebA's 202,599 images").all()
    assert (table.loc[counts, "ours"] == "").all()


def test_the_step_of_the_line_search_hangs_on_the_search(tables):
    attacks = {"fgs-line": {"search": "doubling"}, "ffa-line": {"search": "scan"}, "ffa-iterative": {"max_steps": 100}}
    rows = paper_comparison(tables, dataclasses.replace(PAPER, attacks=attacks)).set_index("id")
    assert rows.loc["set_linesearch_factor", "status"] == "not comparable: ffa-line with search scan"
    attacks["ffa-line"] = {"search": "doubling"}
    rows = paper_comparison(tables, dataclasses.replace(PAPER, attacks=attacks)).set_index("id")
    assert rows.loc["set_linesearch_factor", ["ours", "status"]].tolist() == ["2", "setting"]


def test_reasons_come_together(tables):
    run = dataclasses.replace(PAPER, dataset="synthetic", width=0.5, sample=10)
    status = paper_comparison(tables, run).set_index("id")["status"]
    expected = "not comparable: synthetic faces, network at 0.5 of the width, 10 instead of 1,000 attacked images"
    assert status["t2_softmax_fgs_neg_overlap"] == expected


def test_a_number_that_the_run_lacks(tables):
    lacking = tables | {"table2": tables["table2"][:0], "statistics": tables["statistics"][:0]}
    status = paper_comparison(lacking, PAPER).set_index("id")["status"]
    assert status["t2_softmax_fgs_neg_overlap"] == "not comparable: this run has no such number"
    assert status["txt_err_moon"] == "not comparable: this run has no such number"


def test_every_statistic_that_is_compared_exists(full, written):
    paths = written(full)
    for name, table in (("portability", portability), ("correlation", correlation)):
        table(full.attempts, full.transfers, full.run).to_csv(paths[name], index=False)
    ids = set(compute(paths, full.run)["id"])
    assert {source.statistic for source in TEXT.values()} <= ids


def test_cells_are_found_in_real_matrices(full):
    matrices = {
        "portability": portability(full.attempts, full.transfers, full.run),
        "correlation": correlation(full.attempts, full.transfers, full.run),
    }
    lookup = module._Lookup({**matrices, "statistics": pd.DataFrame(columns=["id", "value"])}, full.run)
    for name, (table, which, sources, target) in CELLS.items():
        frame = matrices[table]
        frame = frame[frame["checkpoint" if table == "portability" else "search"] == which]
        rates = frame[frame["source"].isin(sources) & (frame["target"] == target)]["rate"]
        assert lookup._cell(*CELLS[name]) == pytest.approx(rates.min(), nan_ok=True)


def test_page_has_a_sheet_for_each_part(tables):
    made = sheets(paper_comparison(tables, PAPER), PAPER)
    assert [len(sheet.rows) for sheet in made] == [90, 24, 38, 23, 3]
    assert {row[-2] for row in made[0].rows} == {"yes"}
    assert made[0].notes == []
    settings = {row[1]: row for row in made[3].rows}
    assert settings["training images"][3:7] == ["160,000", "162,770", "+2,770", "setting"]
    assert settings["learning rate"][3:7] == ["1e-05", "1e-05", "+0", "setting"]


def test_page_tells_each_reason_once(tables):
    run = dataclasses.replace(PAPER, width=0.5)
    text = sheets(paper_comparison(tables, run), run)[2]
    assert text.notes == [
        "(1) Not comparable: network at 0.5 of the width.",
        "(2) Not comparable: a network of others, not part of this experiment.",
    ]
    assert {row[-2] for row in text.rows} == {"yes", "no (1)", "no (2)"}
