import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from faceflip.analysis.frames import read_csv
from faceflip.workflow.products import TABLES
from faceflip.workflow.versions import VERSIONS
from specimen import Specimen, every_attack, make_tables, specimen

GOLDEN = Path(__file__).parent / "golden"
SEPARATE = ("Goatee", "Male", "Smiling")
MOON = ("Attractive", "Goatee", "Male", "No_Beard", "Smiling")


def make_all(made: Specimen, folder: Path, **options) -> dict[str, dict[str, Path]]:
    return make_tables(TABLES, made.write(folder), made.run, folder, **options)


@pytest.fixture(scope="module")
def tables(made, tmp_path_factory) -> dict[str, dict[str, Path]]:
    return make_all(made, tmp_path_factory.mktemp("tables"))


@pytest.mark.parametrize("name", TABLES)
def test_every_page_begins_with_what_was_run(tables, made, name):
    markdown, tex = (tables[name][kind].read_text().splitlines() for kind in ("md", "tex"))
    assert markdown[0] == made.run.line
    assert tex[0] == f"% {made.run.line}"
    assert markdown[0].startswith("Synthetic faces")


@pytest.mark.parametrize("name", TABLES)
def test_every_page_is_well_formed(tables, name):
    rows = [line for line in tables[name]["md"].read_text().splitlines() if line.startswith("|")]
    assert len(rows) > 2
    tex = tables[name]["tex"].read_text()
    for environment in ("table", "tabular", "longtable"):
        assert tex.count(rf"\begin{{{environment}}}") == tex.count(rf"\end{{{environment}}}")
    assert "\\begin{" in tex
    columns = None
    for line in tex.splitlines():
        if found := re.match(r"\\begin\{(?:tabular|longtable)\}\{(.*)\}", line):
            columns = len(re.sub(r"p\{[^}]*\}", "l", found.group(1)))
        elif line.endswith(r"\\") and r"\multicolumn" not in line:
            if line.startswith(r"\caption"):
                continue
            assert line.replace(r"\&", "").count("&") == columns - 1
    assert tex.replace(r"\{", "").replace(r"\}", "").count("{") == tex.replace(r"\{", "").replace(r"\}", "").count("}")
    assert "nan" not in tex.lower().replace("lnets+anet", "")


@pytest.mark.parametrize("name", TABLES)
def test_every_module_says_how_to_read_its_table(name):
    assert find_spec(TABLES[name].module)
    assert len(TABLES[name].reading.text) > 200


@pytest.mark.slow
def test_intervals_can_be_left_out(made, tmp_path):
    tables = make_all(made, tmp_path, intervals=False)
    for outputs in tables.values():
        header = outputs["csv"].read_text().splitlines()[0].split(",")
        assert not {"low", "high", "balanced_low", "balanced_high"} & set(header)
        assert "scriptsize" not in outputs["tex"].read_text()


@pytest.mark.slow
def test_same_bytes_again(made, tables, tmp_path):
    again = make_all(made, tmp_path)
    for name, outputs in tables.items():
        for kind, path in outputs.items():
            assert path.read_bytes() == again[name][kind].read_bytes()


@pytest.mark.slow
def test_order_of_the_attempts_does_not_matter(made, tables, tmp_path):
    shuffled = {name: getattr(made, name).sample(frac=1, random_state=1) for name in ("attempts", "transfers")}
    again = make_all(replace(made, **shuffled), tmp_path)
    for name in ("flippability", "checkpoint_overlap", "success", "transferability", "correlation"):
        assert tables[name]["csv"].read_bytes() == again[name]["csv"].read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiments",
    [
        {("euclidean", "converged"): ("ffa-line",)},
        {("moon", "converged"): ("ffa-iterative",)},
        {("softmax", "converged"): ("fgs-iterative",), ("softmax", "epoch2"): ()},
        {("euclidean", "epoch2"): ("fgs-line",), ("euclidean", "converged"): ("fgs-line", "pgd-line")},
        {pair: names for pair, names in every_attack().items() if pair[0] != "moon"},
    ],
    ids=lambda experiments: "+".join("-".join((*key, *names)) for key, names in experiments.items())[:60],
)
def test_parts_of_the_experiments_are_enough(tmp_path, experiments):
    made = specimen(seed=2, attributes=SEPARATE, moon_attributes=MOON, sample=10, test=12, attacks=experiments)
    assert pd.read_csv(make_all(made, tmp_path)["flippability"]["csv"])["total"].sum() > 0


@pytest.mark.slow
def test_a_single_attribute_is_enough(tmp_path):
    made = specimen(seed=2, attributes=("Male",), moon_attributes=("Male",), sample=10, test=12)
    assert len(pd.read_csv(make_all(made, tmp_path)["transferability"]["csv"])) == 2


def test_registries_are_light():
    """The Snakefile reads them while it is parsed."""
    code = (
        "import sys; import faceflip.workflow.products; "
        "print(sorted({'pandas', 'numpy', 'matplotlib', 'scipy', 'torch', 'pyarrow'} & set(sys.modules)))"
    )
    scripts = Path(__file__).parents[2] / "scripts"
    result = subprocess.run([sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def small_tables(tmp_path_factory) -> dict[str, dict[str, Path]]:
    return make_small(tmp_path_factory.mktemp("small"))


def make_small(folder: Path) -> dict[str, dict[str, Path]]:
    return make_all(specimen(seed=1, attributes=SEPARATE, moon_attributes=MOON, sample=12, test=16), folder)


@pytest.mark.parametrize("name", TABLES)
def test_results_change_only_with_the_version(small_tables, name):
    """Where results are meant to change, raise `VERSIONS["analyse"]` and run this file as a script."""
    folder = GOLDEN / f"version{VERSIONS['analyse']}"
    assert folder.is_dir(), f"there are no tables of version {VERSIONS['analyse']}: run {__file__} as a script"
    kept, now = (read_csv(path) for path in (folder / f"{name}.csv", small_tables[name]["csv"]))
    pd.testing.assert_frame_equal(now, kept, rtol=1e-9, check_dtype=False)


def keep_tables() -> None:
    """Keep the tables of the present version beside this file, instead of those of older ones."""
    shutil.rmtree(GOLDEN, ignore_errors=True)
    folder = GOLDEN / f"version{VERSIONS['analyse']}"
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name, outputs in make_small(Path(temporary)).items():
            shutil.copyfile(outputs["csv"], folder / f"{name}.csv")


if __name__ == "__main__":
    keep_tables()
