import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from faceflip.analysis.frames import read_csv
from faceflip.analysis.run import PAPER_PASS, RunDescription
from faceflip.analysis.tables import paper_comparison as module
from faceflip.analysis.tables.correlation import correlation
from faceflip.analysis.tables.paper_comparison import CELLS, TEXT, paper_comparison, paper_reference, sheets
from faceflip.analysis.tables.statistics import compute
from faceflip.analysis.tables.transferability import transferability
from faceflip.data.celeba import ATTRIBUTES, SPLIT_SIZES
from faceflip.registry import load
from faceflip.workflow.products import TABLES
from specimen import NETWORKS, every_attack, specimen

pytestmark = pytest.mark.slow

TINY = {"train": 5, "validation": 3, "test": 2}


@pytest.fixture(scope="module")
def paper(full) -> RunDescription:
    sample = full.run.sample | {"images": 1000}
    return dataclasses.replace(full.run, images=SPLIT_SIZES, official=SPLIT_SIZES, sample=sample)


def with_options(run: RunDescription, group: str, networks: tuple[str, ...] = (), **options) -> RunDescription:
    """Return the run with other options of the architecture or the training of some networks, by default of all."""
    changed = tuple(
        dataclasses.replace(each, **{group: getattr(each, group) | options})
        if each.name in (networks or run.network_names)
        else each
        for each in run.networks
    )
    return dataclasses.replace(run, networks=changed)


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
            table2.setdefault((network, method, sign[which]), {})[column.replace("2epochs", "early")] = int(paper[name])
    statistics = {}
    for name, source in TEXT.items():
        value = float(paper[name]) / (
            100 if module.paper_reference().set_index("id")["unit"][name] in ("percent", "percentage point") else 1
        )
        for number, statistic in enumerate(source.statistics):
            statistics.setdefault(statistic, {})[source.column] = value + 0.01 * number
    cells = {"transferability": [], "correlation": []}
    for name, (table, which, sources, target) in CELLS.items():
        network = "moon" if table == "correlation" else "euclidean"
        cells[table] += [
            (network, which, source, target, float(paper[name]) / 100 + 0.01 * n) for n, source in enumerate(sources)
        ]
    return {
        "flippability": pd.DataFrame(
            table1, columns=["network", "method", "sign", "search", "threshold", "total", "rate"]
        ),
        "checkpoint_overlap": pd.DataFrame(
            [(*key, *row.values()) for key, row in table2.items()],
            columns=["network", "method", "sign", "early", "converged", "overlap"],
        ).assign(checkpoint="epoch2", search="line"),
        "statistics": pd.DataFrame.from_dict(statistics, orient="index").rename_axis("id").reset_index(),
        "transferability": pd.DataFrame(
            cells["transferability"], columns=["network", "checkpoint", "source", "target", "rate"]
        ),
        "correlation": pd.DataFrame(cells["correlation"], columns=["network", "search", "source", "target", "rate"]),
        "trainings": pd.DataFrame({"network": ["euclidean"] * 3 + ["moon"], "kept": [4, 2, 10, 24]}),
    }


def test_all_numbers_are_there():
    reference = paper_reference()
    assert len(reference) == 178
    assert reference["id"].is_unique
    assert (reference[["item", "quantity", "value", "unit"]] != "").all(axis=None)


def test_a_run_that_found_the_same_differs_nowhere(tables, paper):
    table = paper_comparison(tables, paper).set_index("id")
    given = table["status"] == "setting"
    comparable = table[(table["status"] == "comparable") | given]
    others = {"txt_err_kalayeh", "set_vgg_input", "txt_err_lnet", "txt_err_facetracer"}
    assert set(table.index) - set(comparable.index) == others
    assert set(table.index[given]) == {name for name in table.index if name.startswith("set_")} - {
        "set_vgg_input",
        "set_lnet_margin",
        "set_epochs_min",
        "set_epochs_max",
    }
    results = comparable[~comparable.index.str.startswith("set_")]
    assert len(results) == 178 - 23 - 1 - 2
    assert results["difference"].abs().max() < 1e-9
    # The text rounds what it says of the data, so settings differ by a little.
    settings = comparable[comparable.index.str.startswith("set_") & comparable["difference"].notna()]
    differing = settings[settings["difference"].abs() > 1e-9].index
    assert set(differing) == {"set_iters", "set_cela_total", "set_train", "set_valtest"}


def test_differences_are_ours_minus_the_paper(tables, paper):
    cells = tables["flippability"]
    changed = tables | {"flippability": cells.assign(rate=cells["rate"] + 0.01, total=cells["total"] + 7)}
    table = paper_comparison(changed, paper).set_index("id")
    row = table.loc["t1_euclidean_fgs_pos_linesearch_tau0.95"]
    assert (float(row["paper"]), float(row["ours"])) == pytest.approx((23.0, 24.0))
    assert row["difference"] == pytest.approx(1)
    assert table.loc["t1_softmax_ffa_neg_total", "difference"] == 7
    # The text repeats the cell of the table.
    assert table.loc["txt_adv_fgs", "difference"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "reason", "untouched"),
    [
        ({"dataset": "synthetic"}, "synthetic faces", []),
        ({"attacked": ATTRIBUTES[:8]}, "8 of 40 attributes", ["txt_port_goatee_nobeard"]),
        (
            ("architecture", {"width": 0.125}),
            "network with width 0.125 instead of 1.0",
            ["txt_err_trivial"],
        ),
        ({"input_width": 44, "input_height": 54}, "input of 44 x 54 instead of 178 x 218", ["txt_err_trivial"]),
        (
            ("architecture", {"name": "torchvision/resnet18"}),
            "network with name torchvision/resnet18 instead of vgg16",
            ["txt_err_trivial"],
        ),
        (
            {"sample": {"name": "paper", "split": "train", "images": 100}},
            "100 instead of 1,000 attacked images",
            ["txt_err_separate", "txt_p_moon"],
        ),
        (
            {"sample": {"name": "paper", "split": "test", "images": 1000}},
            "attacked images of the test split instead of the train split",
            ["txt_err_separate", "txt_p_moon"],
        ),
        ({"images": TINY, "official": TINY}, "10 of CelebA's 202,599 images", []),
        (
            {"official": SPLIT_SIZES | {"test": 9_962}},
            "202,599 of CelebA's 202,599 images, 10,000 of them in another split",
            [],
        ),
        (
            {"attacks": {"ffa-line": {"ffa_objective": "margin"}}},
            "ffa-line with ffa_objective margin",
            ["txt_err_separate", "t1_euclidean_fgs_pos_linesearch_tau0.95", "txt_iter_ffa", "txt_fgs_total_overlap"],
        ),
        (
            ("training", {"networks": ("euclidean",), "max_epochs": 8}),
            "training with max_epochs 8 instead of 10",
            ["txt_err_trivial", "t1_moon_mffa_pos_total", "txt_err_softmax", "t2_softmax_ffa_neg_2epochs"],
        ),
        (
            ("training", {"learning_rate": 0.1}),
            "training with learning_rate 0.1 instead of 1e-05",
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
            ("architecture", {"pooling": "floor"}),
            "network with pooling floor instead of ceil",
            ["txt_err_trivial"],
        ),
    ],
)
def test_why_a_run_is_not_comparable(tables, paper, change, reason, untouched):
    if isinstance(change, tuple):
        group, options = change
        run = with_options(paper, group, **options)
    else:
        run = dataclasses.replace(paper, **change)
    table = paper_comparison(tables, run).set_index("id")
    row = table.loc["t1_euclidean_ffa_pos_linesearch_tau0.95"]
    assert row["status"] == f"not comparable: {reason}" or (reason + " pixels") in row["status"]
    assert float(row["ours"]) == pytest.approx(36.6), "ours is always shown"
    assert np.isnan(row["difference"])
    assert (table.loc[untouched, "status"] == "comparable").all()


def test_what_counts_as_adversarial_hangs_on_the_threshold(tables, paper):
    status = paper_comparison(tables, dataclasses.replace(paper, threshold=0.9)).set_index("id")["status"]
    expected = "not comparable: adversarial from PASS 0.9 instead of 0.95 on"
    counted = ["t2_softmax_fgs_neg_overlap", "txt_natural_share", "txt_port_diag", *CELLS]
    assert (status[counted] == expected).all()
    # The columns of Table 1 have thresholds of their own.
    assert (status[["t1_softmax_ffa_neg_linesearch_tau0.95", "txt_adv_fgs", "txt_err_moon"]] == "comparable").all()


def test_settings_are_taken_from_the_run_and_compare_nothing(tables, paper):
    run = dataclasses.replace(paper, sample=paper.sample | {"images": 100}, images=TINY, official=TINY)
    table = paper_comparison(tables, run).set_index("id")
    assert table.loc["set_images", ["ours", "difference", "status"]].tolist() == ["100", -900, "setting"]
    # Numbers of other images say nothing of CelebA.
    counts = ["set_cela_total", "set_train", "set_valtest"]
    assert (table.loc[counts, "status"] == "not comparable: 10 of CelebA's 202,599 images").all()
    assert table.loc[counts, "ours"].tolist() == ["10", "5", "5"]
    assert table.loc[counts, "difference"].isna().all()


def test_the_step_of_the_line_search_hangs_on_the_search(tables, paper):
    attacks = {"fgs-line": {"search": "doubling"}, "ffa-line": {"search": "scan"}, "ffa-iterative": {"max_steps": 100}}
    # The search of an attack that the paper does not have says nothing of the paper's.
    attacks["mine"] = {"direction": "ffa", "search": "scan"}
    rows = paper_comparison(tables, dataclasses.replace(paper, attacks=attacks)).set_index("id")
    assert rows.loc["set_linesearch_factor", "status"] == "not comparable: ffa-line with search scan"
    attacks["ffa-line"] = {"search": "doubling"}
    rows = paper_comparison(tables, dataclasses.replace(paper, attacks=attacks)).set_index("id")
    assert rows.loc["set_linesearch_factor", ["ours", "status"]].tolist() == ["2", "setting"]


def test_reasons_come_together(tables, paper):
    run = with_options(paper, "architecture", width=0.5)
    run = dataclasses.replace(run, dataset="synthetic", sample=run.sample | {"images": 10})
    status = paper_comparison(tables, run).set_index("id")["status"]
    expected = "not comparable: synthetic faces, network with width 0.5 instead of 1.0, 10 instead of 1,000 attacked"
    assert status["t2_softmax_fgs_neg_overlap"] == f"{expected} images"


def test_a_number_that_the_run_lacks(tables, paper):
    lacking = tables | {name: tables[name][:0] for name in ("checkpoint_overlap", "statistics")}
    status = paper_comparison(lacking, paper).set_index("id")["status"]
    assert status["t2_softmax_fgs_neg_overlap"] == "not comparable: this run has no such number"
    assert status["txt_err_moon"] == "not comparable: this run has no such number"


def test_every_statistic_that_is_compared_exists(full, written):
    paths = written(full)
    for name, table in (("transferability", transferability), ("correlation", correlation)):
        table(full.attempts, full.transfers, full.run).to_csv(paths[name], index=False)
    ids = set(compute(paths, full.run)["id"])
    assert {statistic for source in TEXT.values() for statistic in source.statistics} <= ids


def test_cells_are_found_in_real_matrices(full):
    matrices = {
        "transferability": transferability(full.attempts, full.transfers, full.run),
        "correlation": correlation(full.attempts, full.transfers, full.run),
    }
    lookup = module._Lookup({**matrices, "statistics": pd.DataFrame(columns=["id", "value"])}, full.run)
    for name, (table, which, sources, target) in CELLS.items():
        frame = matrices[table]
        frame = frame[frame["checkpoint" if table == "transferability" else "search"] == which]
        rates = frame[frame["source"].isin(sources) & (frame["target"] == target)]["rate"]
        assert lookup._cell(*CELLS[name]).value == (None if rates.isna().any() else pytest.approx(rates.min()))


def comparison(made, folder, **changes) -> pd.DataFrame:
    """Return the comparison of a specimen as if it were the paper's run."""
    sample = made.run.sample | {"images": 1000}
    run = dataclasses.replace(made.run, images=SPLIT_SIZES, official=SPLIT_SIZES, sample=sample, **changes)
    paths = made.write(folder)
    for name, product in TABLES.items():
        if name in (*TABLES["paper_comparison"].inputs, "paper_comparison"):
            paths[name] = folder / f"{name}.csv"
            load(f"{product.module}:compute")(paths, run).to_csv(paths[name], index=False)
    return read_csv(paths["paper_comparison"]).set_index("id")


RENAMED = {"euclidean": "b_second", "softmax": "epoch2", "moon": "a"}


@pytest.fixture(scope="module")
def usual(full, tmp_path_factory) -> pd.DataFrame:
    return comparison(full, tmp_path_factory.mktemp("usual"))


def test_networks_of_other_names_are_compared_alike(usual, tmp_path):
    networks = {RENAMED[name]: each for name, each in NETWORKS.items()}
    attacks = {(RENAMED[name], checkpoint): each for (name, checkpoint), each in every_attack().items()}
    made = specimen(seed=6, sample=6, test=10, dataset="celeba", attacks=attacks, networks=networks)
    assert set(made.attempts["network"]) == set(RENAMED.values())
    pd.testing.assert_frame_equal(comparison(made, tmp_path), usual)
    others = usual.index[~usual["status"].isin(["comparable", "setting"])]
    assert set(others) <= {"txt_err_kalayeh", "set_vgg_input", "txt_err_lnet", "txt_err_facetracer", *CELLS}


def test_what_else_is_run_changes_nothing(full, usual, tmp_path):
    """More networks, attacks and early checkpoints stand beside those of the paper."""
    networks = {"again": {"loss": "euclidean"}, "bce": {"loss": "bce"}, "other": {"loss": "bce", "per": "all"}}
    attacks = {
        ("euclidean", "epoch1"): ("ffa-line", "fgs-line"),
        ("bce", "converged"): ("ffa-line", "mine"),
        ("again", "converged"): ("ffa-line",),
        ("other", "converged"): ("ffa-line",),
    }
    choices = {"attacks": {**every_attack(), **attacks}, "networks": NETWORKS | networks}
    made = specimen(seed=6, sample=6, test=10, dataset="celeba", **choices)
    # Chance went other ways: take the paper's networks from the usual run, and the others from this one.
    parts = {}
    for name in ("attempts", "predictions", "transfers", "scans"):
        mine, usual_ones = getattr(made, name), getattr(full, name)
        added = (mine["network"].isin(list(networks))) | (mine["checkpoint"] == "epoch1")
        parts[name] = pd.concat([mine[added], usual_ones], ignore_index=True)
    parts |= {"histories": made.histories | full.histories, "labels": full.labels}
    made = dataclasses.replace(made, **parts)
    pd.testing.assert_frame_equal(comparison(made, tmp_path), usual)


def test_a_run_without_the_paper_s_networks_has_none_of_its_numbers(full, tmp_path):
    networks = {name: each | {"loss": "bce"} for name, each in NETWORKS.items() if name != "softmax"}
    attacks = {pair: each for pair, each in every_attack().items() if pair[0] != "softmax"}
    made = specimen(seed=6, sample=6, test=10, dataset="celeba", attacks=attacks, networks=networks)
    table = comparison(made, tmp_path)
    comparable = table.index[table["status"] == "comparable"]
    assert set(comparable) == {"txt_err_trivial"}
    assert set(table.loc[table.index.str.startswith(("t1", "t2")), "status"]) == {
        "not comparable: this run has no such number"
    }


def test_another_early_epoch_is_not_the_papers(tables, full, tmp_path):
    attacks = {(name, checkpoint.replace("2", "1")): each for (name, checkpoint), each in every_attack().items()}
    table = comparison(specimen(seed=6, sample=6, test=10, dataset="celeba", attacks=attacks), tmp_path)
    early = ["t2_euclidean_fgs_pos_2epochs", "txt_err_2epochs", "txt_fgs_total_overlap", "txt_ffa_natural_lost"]
    early += ["txt_port_diag", "txt_half_differ", "txt_port_paleskin_makeup"]
    assert set(table.loc[early, "status"]) == {"not comparable: this run has no such number"}
    assert table.loc["txt_err_separate", "status"] == "comparable"
    assert table.loc["set_epoch_early", "ours"] == "1"


def test_page_has_a_sheet_for_each_part(tables, paper):
    made = sheets(paper_comparison(tables, paper), paper)
    assert [len(sheet.rows) for sheet in made] == [90, 24, 38, 23, 3]
    assert {row[-2] for row in made[0].rows} == {"yes"}
    assert made[0].notes == []
    settings = {row[1]: row for row in made[3].rows}
    assert settings["training images"][3:8] == ["160,000", "162,770", "+2,770", "", "setting"]
    assert settings["learning rate"][3:8] == ["1e-05", "1e-05", "+0", "", "setting"]
    assert any("initialisation xavier" in note and "patience 3" in note for note in made[3].notes)
    assert any("max_steps 100" in note for note in made[3].notes)
    # Two notes rest on unconfirmed cells.
    marked = [row for sheet in made for row in sheet.rows if "†" in row[-1]]
    assert len(marked) == 2
    assert any(note.startswith("†") for note in made[2].notes)


def test_page_tells_each_reason_once(tables, paper):
    run = with_options(paper, "architecture", width=0.5)
    text = sheets(paper_comparison(tables, run), run)[2]
    assert text.notes[:3] == [
        "(1) Not comparable: network with width 0.5 instead of 1.0.",
        "(2) Not comparable: ours is the published table, too, and nothing is measured.",
        "(3) Not comparable: a network of others, not part of this experiment.",
    ]
    assert {row[-2] for row in text.rows} == {"yes", "no (1)", "no (2)", "no (3)"}


def comparable(tables, run) -> pd.Series:
    """Return whether each row is comparable, by its id."""
    return paper_comparison(tables, run).set_index("id")["status"].str.startswith("comparable")


def test_a_departure_touches_the_rows_that_rest_on_it(tables, paper):
    usual = comparable(tables, paper)
    longer = comparable(tables, with_options(paper, "training", ("moon",), max_epochs=24))
    lost = set(usual.index[usual & ~longer])
    of_moon = {name for name in usual.index if "moon" in name} | {
        "txt_mffa_natural_avg",
        "txt_ls_mffa",
        "txt_iter_mffa",
    }
    assert lost == of_moon | {"txt_corr_nobeard", "txt_corr_attractive"}
    attacks = {"ffa-iterative": {"ffa_crossed": "onward"}}
    onward = comparable(tables, dataclasses.replace(paper, attacks=attacks))
    lost = set(usual.index[usual & ~onward])
    assert lost == {name for name in usual.index if "_iterative_" in name and "ffa" in name} | {
        "txt_iter_ffa",
        "txt_iter_mffa",
        "txt_mffa_natural_avg",
        "txt_corr_nobeard",
        "txt_corr_attractive",
    }


@pytest.mark.parametrize(
    ("change", "id_", "note"),
    [
        ({"attacks": {"ffa-iterative": {"max_steps": 200}}}, "txt_iter_ffa", "max_steps 200 instead of 100"),
        (("training", {"patience": 5}), "txt_err_separate", "patience 5 instead of 3"),
        (("training", {"gamma": 1e-3}), "txt_err_separate", "gamma 0.001 instead of 0.0001"),
        (("architecture", {"initialisation": "msra"}), "txt_err_moon", "initialisation msra instead of xavier"),
    ],
)
def test_what_the_paper_does_not_say_is_no_departure(tables, paper, change, id_, note):
    run = (
        with_options(paper, *change[:1], **change[1])
        if isinstance(change, tuple)
        else dataclasses.replace(paper, **change)
    )
    table = paper_comparison(tables, run).set_index("id")
    assert table.loc[id_, "status"].startswith("comparable: ")
    assert table.loc[id_, "status"].endswith(f"{note}, where the paper gives none")
    assert table.loc[id_, "difference"] == pytest.approx(0)
    assert table.loc["txt_err_trivial", "status"] == "comparable"


def test_a_few_images_fewer_are_as_good_as_all(tables, paper):
    fewer = SPLIT_SIZES | {"train": 162_700}
    run = dataclasses.replace(paper, images=fewer, official=fewer)
    table = paper_comparison(tables, run).set_index("id")
    assert table.loc["txt_err_moon", "status"] == "comparable: 202,529 of CelebA's 202,599 images"
    swapped = dataclasses.replace(paper, official=SPLIT_SIZES | {"test": 19_952, "train": 162_760})
    status = paper_comparison(tables, swapped).set_index("id").loc["txt_err_moon", "status"]
    assert status == "comparable: 202,599 of CelebA's 202,599 images, 20 of them in another split"
    unknown = dataclasses.replace(paper, official=None)
    status = paper_comparison(tables, unknown).set_index("id").loc["txt_err_moon", "status"]
    assert status == "comparable: whether its splits have CelebA's images was not recorded"
    for lost in ({"train": 162_000}, {"test": 19_000}, {"test": 25_000}):
        images = SPLIT_SIZES | lost
        status = paper_comparison(tables, dataclasses.replace(paper, images=images, official=None)).set_index("id")
        assert status.loc["txt_err_moon", "status"].startswith("not comparable: ")


def test_measured_epochs_are_not_the_settings(tables, paper):
    table = paper_comparison(tables, paper).set_index("id")
    assert table.loc[["set_epochs_min", "set_epochs_max"], "ours"].tolist() == ["2", "10"]
    longer = tables | {"trainings": tables["trainings"].assign(kept=[3, 8, 5, 24])}
    table = paper_comparison(longer, paper).set_index("id")
    assert table.loc[["set_epochs_min", "set_epochs_max"], "ours"].tolist() == ["3", "8"]
    assert table.loc["set_epochs_max", ["difference", "status"]].tolist() == [-2, "comparable"]


def test_iterations_are_those_of_training(tables, paper):
    row = paper_comparison(tables, paper).set_index("id").loc["set_iters"]
    assert row["ours"] == "2543", "what is left over at the end of an epoch is dropped"


def test_natural_images_are_above_the_bound_for_both_searches(tables, paper):
    def row(iterative):
        rows = [
            ("natural_moon_converged_ffa-line", 0.95, 0.93, 0.97),
            ("natural_moon_converged_ffa-iterative", *iterative),
        ]
        found = tables | {"statistics": pd.DataFrame(rows, columns=["id", "value", "low", "high"]).assign(count=1)}
        return paper_comparison(found, paper).set_index("id").loc["txt_mffa_natural_avg"]

    assert row((0.94, 0.92, 0.96))[["ours", "verdict"]].tolist() == ["94.0", "holds"]
    assert row((0.7, 0.6, 0.8))[["ours", "verdict"]].tolist() == ["70.0", "fails"]
    assert row((0.92, 0.88, 0.96))["verdict"] == "cannot tell"


def test_bounds_get_verdicts(tables, paper):
    table = paper_comparison(tables, paper).set_index("id")
    assert set(table.index[table["verdict"] != ""]) == set(module.BOUNDS)
    statistics = tables["statistics"].set_index("id")
    statistics.loc["ttest_attributes_euclidean_vs_lnets_anet_p", "value"] = 1e-7
    statistics.loc["ttest_attributes_euclidean_epoch2_vs_euclidean_p", "value"] = 1e-12
    statistics.loc["portability_epoch2_diagonal", ["value", "low", "high"]] = (0.4, 0.35, 0.45)
    table = paper_comparison(tables | {"statistics": statistics.reset_index()}, paper).set_index("id")
    assert table.loc[["txt_p_lnet", "txt_p_2epochs", "txt_port_diag"], "verdict"].tolist() == [
        "fails",
        "holds",
        "holds",
    ]
    assert table.loc["txt_port_diag", ["low", "high"]].tolist() == pytest.approx([35, 45])
    nothing = paper_comparison(tables | {"statistics": tables["statistics"][:0]}, paper).set_index("id")
    assert nothing.loc["txt_port_diag", "verdict"] == "cannot tell"


def test_the_overlap_with_changed_signs_stands_beside(tables, paper):
    about = {"id": "overlap_any_sign_euclidean_fgs", "value": 6100.0}
    found = tables | {"statistics": pd.concat([tables["statistics"], pd.DataFrame([about])], ignore_index=True)}
    row = paper_comparison(found, paper).set_index("id").loc["txt_fgs_total_overlap"]
    assert row[["ours", "difference", "status"]].tolist() == ["5884", 0, "comparable"]
    assert row["note"].endswith("; with changed signs ours is 6,100")
