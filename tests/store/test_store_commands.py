"""The commands inspect, show, check, export and diff."""

import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import store_builder
from PIL import Image
from store_builder import FINGERPRINT, STEM, Builder

from faceflip.cli import store as commands
from faceflip.errors import UserError
from faceflip.io.inventory import take_inventory, write_inventory
from faceflip.pixels import magnified
from faceflip.store import open_store
from faceflip.store.panels import _caption, best_rows
from faceflip.store.terminal import picture_escape
from faceflip.wording import similarity


@pytest.fixture
def view(build, monkeypatch):
    """A joined view of 72 attempts in a results folder with its dataset."""
    monkeypatch.chdir(build.folder)
    labels = np.where(np.arange(200) % 2, 1, -1)[:, None].repeat(40, axis=1)
    (build.folder / "results/dataset").mkdir(parents=True)
    with h5py.File(build.folder / "results/dataset/faces.h5", "w") as file:
        file["images"], file["labels"] = build.images(), labels.astype("int8")
        file["split"], file["file_name"] = np.zeros(200, "uint8"), np.array(build.content(0, 200).file_name, "S")
        file.attrs["manifest"] = json.dumps({"format": "faceflip-dataset", "version": 1, "fingerprint": FINGERPRINT})
    return build.view()


def write_scores(build):
    return [build.scores(build.folder / f"{STEM}/{number:03d}.h5") for number in range(3)]


def test_inspect(call, view):
    status, output = call("inspect", view, view.with_suffix("") / "000.h5")
    assert status == 0
    for expected in (
        "ffa-line on euclidean (converged), 3 joined shards",
        "ffa-line on euclidean (converged), shard 0",
        '{"max_epsilon": 255, "search": "doubling"}',
        "72 from attempt 0, images of 10 x 12",
        "Smiling",
    ):
        assert expected in output


def test_inspect_prints_paths_and_numbers_whole(call, view, build, monkeypatch):
    write_scores(build)
    (summary,) = json.loads(call("inspect", "--json", view)[1])
    results = Path("exp[seed=1]") / "a[" / "b]:smile:"
    results.parent.mkdir(parents=True)
    shutil.move("results", results)
    moved = results / view.resolve().relative_to(build.folder / "results")
    monkeypatch.setenv("FORCE_COLOR", "1")
    for width in ("80", "40"):
        monkeypatch.setenv("COLUMNS", width)
        lines = re.sub(r"\x1b\[[\d;]*m", "", call("inspect", moved)[1]).splitlines()
        assert lines[0] == str(moved)
        words = set(" ".join(lines).split())
        for row in summary["outcomes"].values():
            assert {f"{row['median_epsilon']:.4g}", similarity(row["median_pass"]), str(row["flipped"])} <= words


def test_inspect_json(call, view, build):
    write_scores(build)
    (summary,) = json.loads(call("inspect", "--json", view)[1])
    content = build.content(0, 72)
    assert summary["attempts"] == 72
    assert summary["header"]["seed"] == 2018
    assert summary["outcomes"]["Smiling"]["attempts"] == 20
    assert summary["outcomes"]["Smiling"]["flipped"] == 15
    assert sum(row["flipped"] for row in summary["outcomes"].values()) == content.flipped.sum()
    assert summary["epsilon"]["0.5"] == np.median(content.epsilon[content.flipped])
    assert summary["pass"]["1"] == 0.70
    assert summary["sizes"]["bytes"] == sum(path.stat().st_size for path in view.with_suffix("").iterdir())
    assert 0 < summary["sizes"]["share_of_raw_8_bit"] < 1.5


def test_inspect_tells_quantiles_of_pass_when_scores_are_found(call, view, build):
    assert re.search(r"^ +PASS +none$", call("inspect", view)[1], re.MULTILINE)
    write_scores(build)
    line = re.search(r"^ +PASS +(.*)$", call("inspect", view)[1], re.MULTILINE)[1]
    passes = np.flatnonzero(build.content(0, 72).flipped) / 100
    shares = (0, 5, 25, 50, 75, 95, 100)
    assert line == "  ".join(f"{share}% {similarity(np.percentile(passes, share))}" for share in shares)


def test_inspect_refuses_scores_of_other_attempts(call, view, build):
    first, second, _ = write_scores(build)
    pd.read_parquet(second).head(5).to_parquet(second)
    with pytest.raises(UserError, match=r"001.parquet: has 5 rows, .*001.h5 has 24 attempts; delete it, then"):
        call("inspect", view)
    shutil.copyfile(first, second)
    with pytest.raises(UserError, match=r"001.parquet: holds the scores of a store of SHA-256 .*; delete it, then"):
        call("inspect", view)


def test_inspect_says_how_many_attempts_have_scores(call, view, build):
    write_scores(build)
    assert "are not scored" not in call("inspect", view)[1]
    (build.folder / f"{STEM}/001.parquet".replace("attacks", "scores")).unlink()
    content, others = build.content(0, 72), build.content(24, 24)
    scored, flipped = content.flipped.sum() - others.flipped.sum(), content.flipped.sum()
    assert f"(of {scored} of {flipped} flipped attempts: the others are not scored)" in call("inspect", view)[1]
    (summary,) = json.loads(call("inspect", "--json", view)[1])
    assert (summary["scored"], summary["flipped"]) == (scored, flipped)


@pytest.mark.parametrize("command", ["inspect", "show"])
def test_damaged_scores_are_named(call, view, build, command):
    write_scores(build)
    (build.folder / f"{STEM}/001.parquet".replace("attacks", "scores")).write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(UserError, match=r"scores.*001\.parquet: not a readable table"):
        call(command, view)


def test_best_rows(view, build):
    with open_store(view) as store:
        assert best_rows(store, 3).tolist() == [0, 1, 2]
        assert best_rows(store, 3, "Smiling").tolist() == [20, 21, 22]
        write_scores(build)
        assert best_rows(store, 3).tolist() == [70, 69, 68]
        assert best_rows(store, 3, "Smiling").tolist() == [38, 37, 36]


def test_show(call, view, build):
    status, output = call("show", view, "--attribute", "Smiling", "--best", 2, "-o", "sheet.png")
    assert status == 0
    assert "attempts 20, 21" in output
    sheet = np.asarray(Image.open("sheet.png"))
    zoom = 17
    originals = build.images()
    with open_store(view) as store:
        for line, row in enumerate((20, 21)):
            panels = (originals[row], magnified(store.perturbation(row)), store.adversarial(row, originals))
            for number, panel in enumerate(panels):
                top, left = 6 + line * (12 * zoom + 24), 6 + number * (10 * zoom + 6)
                found = sheet[top : top + 12 * zoom : zoom, left : left + 10 * zoom : zoom]
                np.testing.assert_array_equal(found, panel)


def test_show_into_a_folder(call, view):
    Path("sheet.png").mkdir()
    with pytest.raises(UserError, match=r"^sheet.png: is a directory, nothing was .* or move sheet.png out of the way"):
        call("show", view, "-o", "sheet.png")


def test_show_chosen_rows(call, view):
    assert "wrote ffa-line.png: attempts 41, 5" in call("show", view, "--row", 41, "--row", 5)[1]
    with pytest.raises(UserError, match="attempt 3 did not flip"):
        call("show", view, "--row", 3)
    with pytest.raises(UserError, match=r"--row 72: .* has the attempts 0 to 71"):
        call("show", view, "--row", 72)
    with pytest.raises(UserError, match=r"--output sheet\.jpg: expected a name that ends in \.png"):
        call("show", view, "--row", 5, "-o", "sheet.jpg")


def test_iterative_attacks_have_steps(call, build):
    """The column `epsilon` counts them; that is not what it is called then."""
    path = build.shard("a.h5", attack="ffa-iterative", parameters={"max_steps": 100})
    output = call("inspect", path)[1]
    assert re.search(r"^  steps +0%", output, re.MULTILINE)
    assert re.search(r" median\n.* steps$", output, re.MULTILINE), "a heading of two lines"
    assert "epsilon" not in output.replace("max_epsilon", "")
    with open_store(path) as store:
        attempt = store.attempts.iloc[4]
        assert _caption(attempt, None, store.header.iterative).endswith("1 steps")
        assert _caption(attempt, None, iterative=False).endswith("eps 1")


def test_what_did_not_flip_is_named(call, view, build):
    with pytest.raises(UserError, match=r"a\.h5: no attempt flipped on Eyeglasses$"):
        call("show", build.shard("results/a.h5", first=3, rows=1), "-a", "Eyeglasses")


def test_perturbations_are_shown_ten_times_as_large_around_grey():
    shown = magnified(np.array([-255, -13, -1, 0, 1, 12, 13, 255], np.int16))
    assert shown.tolist() == [0, 0, 118, 128, 138, 248, 255, 255]


def test_check(call, view):
    assert call("check", view) == (0, "4 stores checked, no faults\n")
    arguments = ("--dataset", "results/dataset/faces.h5", "--deep")
    status, output = call("check", "results", *arguments)
    assert status == 0
    assert output.endswith("4 stores checked, no faults\n")
    note = "note: results: no inventory of the run is there, so only stores were looked at; to take it: snakemake"
    assert output.startswith(note)
    (view.with_suffix("") / "001.h5").write_bytes(b"")
    status, output = call("check", "results")
    assert status == 1
    assert (
        f"FAULT: {STEM}/001.h5: is empty or was never completed; "
        f"delete it, then run: snakemake --cores all {STEM}/001.h5\n" in output
    )
    assert output.endswith("4 stores checked, 1 fault\n")
    status, output = call("check", "results", "--json")
    assert status == 1
    assert [fault["note"] for fault in json.loads(output)["faults"]] == [False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file["labels"].__setitem__(8, -file["labels"][8]), "/label differs from the dataset's labels of"),
        (lambda file: file["file_name"].__setitem__(8, "x"), "/file_name differs from the dataset's names"),
        (lambda file: file["images"].__setitem__(8, 255), r"/perturbation\[8\] leaves 0..255 on the dataset's image 8"),
        (
            lambda file: file.attrs.modify("manifest", file.attrs["manifest"].replace("5e5e", "0000")),
            "'dataset_fingerprint' is that of another dataset",
        ),
    ],
)
def test_check_against_another_dataset(call, view, change, message):
    with h5py.File("results/dataset/faces.h5", "r+") as file:
        change(file)
    status, output = call("check", view.with_suffix("") / "000.h5", "--dataset", "results/dataset/faces.h5", "--deep")
    assert status == 1
    assert re.search(message, output)
    assert "give the dataset that was attacked by --dataset" in output
    assert "delete" not in output, "the store is sound"


def test_check_with_a_store_for_a_dataset(call, view):
    with pytest.raises(
        UserError, match=r"ffa-line\.h5: is of format faceflip-perturbations, expected a packed dataset"
    ):
        call("check", "results", "--dataset", view)


def test_check_with_other_networks(call, view, build):
    with pytest.raises(UserError, match="nope: no such folder; give that of the run's checkpoints"):
        call("check", "results", "--networks", "nope")
    (build.folder / "results/networks/euclidean/Smiling").mkdir(parents=True)
    (build.folder / "results/networks/euclidean/Smiling/converged.pt").write_text("other weights")
    status, output = call("check", view, "--networks", "results/networks")
    assert status == 1
    assert "checkpoint of Smiling is not the one that was attacked; give the networks that were by --networks" in output
    missing = "names Young, of which there is no checkpoint in results/networks; give the networks that were attacked"
    assert missing in output
    assert "run: snakemake --cores all results/networks/euclidean/Young/converged.pt\n" in output
    assert "delete" not in output, "the store is sound"


def test_check_compares_scores_with_their_stores(call, view, build):
    first, second, _ = write_scores(build)
    assert call("check", "results")[0] == 0
    shutil.copyfile(first, second)
    status, output = call("check", "results", "--json")
    assert status == 1
    (fault,) = [fault for fault in json.loads(output)["faults"] if not fault["note"]]
    assert fault["file"] == f"{STEM}/001.parquet".replace("attacks", "scores")
    assert "holds the scores of a store of SHA-256" in fault["message"]


@pytest.mark.parametrize("place", [300, -300])
def test_a_damaged_shard_is_told_once(call, view, place):
    """Of a joined view, too, whether columns or perturbations are damaged."""
    content = bytearray((view.with_suffix("") / "001.h5").read_bytes())
    content[place + (place > 0) * 512] ^= 1
    (view.with_suffix("") / "001.h5").write_bytes(content)
    for path in ("results", view):
        assert call("check", path)[1].count("001.h5: damaged") == 1, path


class TestInventories:
    """What `check` says of files that it does not, or cannot, look at."""

    @pytest.fixture
    def results(self, view, build):
        for name in ("index.html", "benchmarks/a.tsv", "benchmarks/b.tsv", "a.csv"):
            (build.folder / "results" / name).parent.mkdir(exist_ok=True)
            (build.folder / "results" / name).write_text(name)
        stores = [f"{STEM}.h5", *(f"{STEM}/00{number}.h5" for number in range(3))]
        covered = {"make": [*stores, "results/dataset/faces.h5", "results/a.csv"]}
        write_inventory(build.folder / "results/inventory/all.json", take_inventory(covered, build.folder), ["all"])
        return build.folder / "results"

    def test_what_is_not_covered_is_told(self, call, results):
        status, output = call("check", "results")
        assert status == 0
        assert output == (
            "4 stores checked, 6 files compared with the run's inventories, no faults\n"
            "not in the inventories, and not looked at: results/benchmarks/, results/index.html\n"
        )
        assert json.loads(call("check", "results", "--json")[1])["not_covered"] == [
            "results/benchmarks/",
            "results/index.html",
        ]
        assert "not looked at" not in call("check", "results/attacks")[1]

    def test_single_files(self, call, results):
        status, output = call("check", "results/a.csv")
        assert (status, output) == (0, "no stores checked, 1 file compared with the run's inventories, no faults\n")
        with pytest.raises(
            UserError, match=r"index\.html: is no perturbation store, and the run's inventories leave it out"
        ):
            call("check", "results/index.html")
        with pytest.raises(UserError, match=r"nothing\.csv: no such file or folder"):
            call("check", "results/nothing.csv")
        shutil.rmtree("results/inventory")
        with pytest.raises(
            UserError, match=r"a\.csv: is no perturbation store, and there is no inventory .* snakemake"
        ):
            call("check", "results/a.csv")

    @pytest.mark.parametrize("absolute", [False, True])
    def test_files_are_named_as_the_folder_was(self, call, results, absolute):
        given = results if absolute else "results"
        (results / "a.csv").write_text("b.csv")
        (results / "attacks/paper/euclidean/converged/ffa-line/002.h5").write_bytes(b"")
        said = call("check", given)[1]
        assert f"FAULT: {given}/a.csv: its bytes are not those that were written\n" in said
        assert f"FAULT: {given}/attacks/paper/euclidean/converged/ffa-line/002.h5: is empty" in said
        assert said.count("FAULT") == 2


def test_export_png_reads_back_to_the_same_pixels(call, view, build):
    assert (
        call("export", view, "--to", "png", "-a", "Smiling", "-o", "out/smiling")[1]
        == "wrote out/smiling: 15 attempts\n"
    )
    table = pd.read_csv("out/smiling/attempts.csv")
    assert len(table) == 15
    content, images = build.content(0, 72), build.images()
    for name, row in zip(table["png"], table["row"], strict=True):
        pixels = np.asarray(Image.open(f"out/smiling/{name}"))
        np.testing.assert_array_equal(pixels, images[row] + content.perturbation[row])
    assert table["png"][0] == "000020-Smiling-000021.png"
    with pytest.raises(UserError, match="out/smiling: exists already"):
        call("export", view, "--to", "png", "-o", "out/smiling")


def test_export_writes_below_its_folder_whatever_an_attribute_is_called(call, view, monkeypatch):
    """Names of files are made from those of attributes, which may be a stranger's."""
    monkeypatch.setattr(store_builder, "ATTRIBUTES", ["../../<b>", "50 % \N{GREEK SMALL LETTER ALPHA}", "Smiling"])
    call("export", Builder(Path.cwd()).view(), "--to", "png", "-o", "out/named")
    written = {str(each.relative_to("out")) for each in Path("out").rglob("*.png")}
    assert written == {f"named/{name}" for name in pd.read_csv("out/named/attempts.csv")["png"]}
    assert {name.split("-", 1)[1].rsplit("-", 1)[0] for name in written} == {
        "_._..__b_",
        "50___\N{GREEK SMALL LETTER ALPHA}",
        "Smiling",
    }


def test_export_npz(call, view, build):
    call("export", view, "--to", "npz", "-o", "b.npz")
    call("export", view, "--to", "npz", "-o", "c.npz", "--dataset", "results/dataset/faces.h5")
    (build.folder / "results/dataset/faces.h5").rename(build.folder / "results/faces.h5")
    call("export", view, "--to", "npz", "-o", "a.npz")
    assert (build.folder / "b.npz").read_bytes() == (build.folder / "c.npz").read_bytes()
    content = build.content(0, 72)
    rows = np.flatnonzero(content.flipped)
    with np.load("a.npz") as plain, np.load("b.npz") as full:
        assert set(full) - set(plain) == {"adversarial"}
        np.testing.assert_array_equal(plain["perturbation"], content.perturbation[rows])
        np.testing.assert_array_equal(full["adversarial"], build.images()[rows] + content.perturbation[rows])
        assert plain["attribute"].tolist() == [content.attribute[row] for row in rows]
        assert json.loads(str(plain["header"]))["attack"] == "ffa-line"


def test_exports_are_the_same_twice(call, view, build):
    for kind in ("npz", "parquet", "csv"):
        for name in ("a", "b"):
            call("export", view, "--to", kind, "-o", f"{name}.{kind}")
        assert view.parent.exists()
        files = [build.folder / f"{name}.{kind}" for name in ("a", "b")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_export_tables(call, view):
    assert call("export", view, "--to", "parquet")[1] == "wrote ffa-line.parquet: 72 attempts\n"
    call("export", view, "--to", "csv", "-a", "Young", "-o", "young.csv")
    with open_store(view) as store:
        pd.testing.assert_frame_equal(pd.read_parquet("ffa-line.parquet"), store.attempts)
        young = store.attempts[store.attempts["attribute"] == "Young"].reset_index(drop=True)
        pd.testing.assert_frame_equal(pd.read_csv("young.csv"), young, check_dtype=False, check_exact=True)
    with pytest.raises(UserError, match=r"expected a name that ends in \.csv"):
        call("export", view, "--to", "csv", "-o", "young.txt")


def test_export_needs_the_dataset_that_was_attacked(call, view, build):
    with h5py.File("results/dataset/faces.h5", "r+") as file:
        file.attrs.modify("manifest", file.attrs["manifest"].replace("5e5e", "0000"))
    with pytest.raises(UserError, match="'dataset_fingerprint' is 5e5e5e5e5e5e"):
        call("export", view, "--to", "png")
    lonely = build.shard("elsewhere/a.h5")
    with pytest.raises(UserError, match=r"no dataset/faces\.h5 in the folders around it; name"):
        call("export", lonely, "--to", "png")


def test_diff(call, view, build):
    first = view.with_suffix("") / "000.h5"
    assert call("diff", first, build.shard("same.h5", order=range(23, -1, -1)))[0] == 0
    blosc = build.shard("blosc.h5", compression="blosc") if pytest.importorskip("hdf5plugin") else None
    status, output = call("diff", "--json", first, blosc)
    assert status == 0
    assert not json.loads(output)["same_bytes"]
    status, output = call("diff", "--json", first, build.shard("other.h5", rows=20, variant=1, parameters={}))
    found = json.loads(output)
    assert status == 1
    assert found["header"]["parameters"] == [{"max_epsilon": 255, "search": "doubling"}, {}]
    expected = {"only_in_a": 4, "only_in_b": 0, "in_both": 20, "flipped_in_both": 15, "same_outcome": 20}
    assert {name: found[name] for name in expected} == expected
    assert found["same_perturbation"] < 15
    assert found["epsilon_ratio"]["0.5"] == 1.0
    assert "only in a: 4" in call("diff", first, build.folder / "other.h5")[1]


def test_pictures_in_terminals():
    png = bytes(range(256)) * 40
    kitty = picture_escape(png, {"TERM": "xterm-kitty"})
    assert kitty.count("\x1b_G") == 4
    assert kitty.startswith("\x1b_Ga=T,f=100,m=1;")
    assert "\x1b_Gm=0;" in kitty
    assert picture_escape(png, {"TERM_PROGRAM": "WezTerm"}).startswith("\x1b]1337;File=inline=1;size=10240:")
    assert picture_escape(png, {"TERM": "xterm-256color"}) is None
    assert picture_escape(png, {"TERM_PROGRAM": "WezTerm", "TMUX": "1"}) is None


def test_every_command_has_help_with_an_example():
    for command in (commands.inspect, commands.show, commands.check, commands.export, commands.diff):
        assert f"Example: faceflip {command.__name__}" in command.__doc__
