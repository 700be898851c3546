"""The scripts of docs/guides/own-labels.md, on small files of the form that the datasets have."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from faceflip.data.celeba import ATTRIBUTES
from faceflip.data.celeba.texts import annotations_text, partition_text
from faceflip.data.table import LabelTable

PAGE = (Path(__file__).parents[2] / "docs/guides/own-labels.md").read_text(encoding="utf-8")
SCRIPTS = dict(re.findall(r"```python\n# (\w+)\n(.*?)```", PAGE, re.DOTALL))
SHARES = {"split_shares": [0.6, 0.2, 0.2]}
RNG = np.random.default_rng(1)


def lfwa(folder):
    names = [f"Person_{k // 2}\\Person_{k // 2}_{k % 2:04d}.jpg" for k in range(40)]
    labels = RNG.integers(0, 2, (40, 40))
    cells = {"name": np.array(names, object), "AttrName": np.array(ATTRIBUTES, object), "label": labels.astype("uint8")}
    savemat(folder / "lfw_att_40.mat", cells)
    return ATTRIBUTES, labels * 2 - 1, SHARES


def maad(folder):
    labels = RNG.integers(-1, 2, (600, 3))
    table = pd.DataFrame(labels, columns=["Male", "Young", "Rosy_Cheeks"])
    table.insert(0, "Filename", [f"n{k // 3:06d}/{k:04d}_01.jpg" for k in range(600)])
    table.insert(1, "Identity", [k // 3 for k in range(600)])
    table = pd.concat([table, table.assign(Identity=table["Identity"] + 1000, Filename="x" + table["Filename"])])
    table.to_csv(folder / "MAAD_Face.csv", index=False)
    return ("Male", "Young", "Rosy_Cheeks"), None, SHARES


def utkface(folder):
    (folder / "UTKFace").mkdir()
    rows = sorted((f"{age}_{k % 2}_{k % 5}_2017{k:04d}.jpg", age, k % 2, k % 5) for k, age in enumerate(range(20, 80)))
    for name, *_ in rows:
        (folder / "UTKFace" / name).touch()
    (folder / "UTKFace/61_1_20170109142408075.jpg.jpg").touch()
    labels = [[gender == 0, age < 40, race == 2] for _, age, gender, race in rows]
    return ("Male", "Young", "Asian"), np.where(labels, 1, -1), SHARES


def fairface(folder):
    labels = []
    for split, count in (("train", 60), ("val", 20)):
        races, genders = [("White", "Black", "Indian")[k % 3] for k in range(count)], ["Male", "Female"] * (count // 2)
        frame = pd.DataFrame({"file": [f"{split}/{k}.jpg" for k in range(count)], "age": "20-29"})
        frame.assign(gender=genders, race=races, service_test=True).to_csv(
            folder / f"fairface_label_{split}.csv", index=False
        )
        labels += [[k % 2 == 1, k % 3 == 1, k % 3 == 2, k % 3 == 0] for k in range(count)]
    return ("Female", "Black", "Indian", "White"), np.where(labels, 1, -1), {}


def corrected(folder):
    names, labels = [f"{k:06d}.jpg" for k in range(1, 31)], RNG.integers(0, 2, (30, 40)) * 2 - 1
    labels[:2] = [[-1], [1]]
    (folder / "list_attr_celeba.txt").write_text(annotations_text(names, labels))
    (folder / "list_eval_partition.txt").write_text(
        partition_text(names, [k % 5 // 2 if k > 1 else 0 for k in range(30)])
    )
    pd.DataFrame({"file": names[4:6], "Male": [1, -1]}).to_csv(folder / "corrections.csv", index=False)
    labels[4:6, ATTRIBUTES.index("Male")] = [1, -1]
    return ATTRIBUTES, labels, {"splits": folder / "list_eval_partition.txt"}


@pytest.mark.slow
@pytest.mark.parametrize("write", [lfwa, maad, utkface, fairface, corrected])
def test_scripts(tmp_path, write):
    names, labels, options = write(tmp_path)
    subprocess.run([sys.executable, "-c", SCRIPTS[write.__name__]], cwd=tmp_path, check=True)
    path = next(path for name in ("labels.csv", "corrected.csv") if (path := tmp_path / name).exists())
    table = LabelTable(path, **options)
    assert table.attributes == tuple(names)
    found = table.table[list(names)].to_numpy()
    if write is maad:
        whole = pd.read_csv(tmp_path / "MAAD_Face.csv").set_index("Filename").loc[table.table["file_name"], list(names)]
        labels = whole.to_numpy()
        assert (labels == 0).any()
    assert np.array_equal(found, labels)
    assert set(table.table["split"]) == {"train", "validation", "test"}


def test_all_scripts_are_run():
    assert {*SCRIPTS} == {"lfwa", "maad", "utkface", "fairface", "corrected"}
