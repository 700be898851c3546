"""Tables of audited labels: what they may be of, and what is wrong with them."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceflip.data.audit import audit_faults, read_audit
from faceflip.errors import UserError

FILES = np.array([f"{k:06d}.jpg" for k in range(1, 9)], object)
NAMES = ("Smiling", "wears a tie", "Male")
LABELS = st.lists(st.tuples(*[st.sampled_from((-1, 0, 1))] * 3), min_size=8, max_size=8)


@pytest.mark.slow
@given(LABELS, st.permutations(range(8)), st.integers(1, 8), st.permutations(NAMES), st.integers(1, 3))
@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_labels_come_back(tmp_path_factory, kind, labels, order, rows, names, columns):
    """Some images and attributes in another order, in each form; all that is not there was not audited."""
    whole = pd.DataFrame(labels, index=pd.Index(FILES, name="file"), columns=list(NAMES))
    chosen = whole.iloc[order[:rows]][list(names[:columns])]
    table = chosen.replace({-1: 0.0, 0: None, 1: 1.0}).astype(float).assign(identity=3).reset_index()
    path = tmp_path_factory.mktemp("audit") / f"audit.{kind}"
    if kind == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="\t" if kind == "tsv" else ",", index=True)
    assert audit_faults(path, NAMES) == []
    expected = chosen.reindex(index=FILES, columns=list(NAMES), fill_value=0).to_numpy()
    if not expected.any():
        with pytest.raises(UserError, match="has no label of its images"):
            read_audit(path, FILES, NAMES)
        return
    found = read_audit(path, FILES, NAMES)
    assert found.dtype == np.int8
    assert np.array_equal(found, expected)


def test_an_audit_of_more_images_than_the_dataset_has(tmp_path):
    """Of the whole of which the dataset is a part; told, and no fault."""
    path = tmp_path / "audit.csv"
    path.write_text("image_id,split,Male\n" + "".join(f"{k:06d}.jpg,train,{k % 2}\n" for k in range(3, 30)))
    told = []
    found = read_audit(path, FILES, NAMES, told.append)
    assert found[:, 2].tolist() == [0, 0, 1, -1, 1, -1, 1, -1]
    assert not found[:, :2].any()
    assert told == [f"{path}: 21 images not in the dataset, such as 000009.jpg, 000010.jpg, 000011.jpg and 18 more"]


ROW = "000001.jpg,1,0\n"
HEADERS = {
    "no such file": (None, "no such file"),
    "another kind of file": ("x", "expected a table, .csv, .tsv"),
    "no attribute": ("file,split\n", "has no column of an attribute"),
    "an unknown attribute": (
        "file,Smilling,Male\n",
        "'Smilling', which is no attribute of the dataset; did you",
    ),
    "a note": ("file,Male,auditor\n", "has a column 'auditor', which is no attribute of the dataset"),
    "a column twice": ("file,Male,Male\n", "has 2 columns 'Male'"),
    "no column of files": ("Male,Smiling\n", "has the attribute 'Male' first and no column 'file'"),
}
ROWS = {
    "no rows": ("", "no rows below the header"),
    "no label": (ROW + "000002.jpg,perhaps,0\n", "column 'Smiling' has 'perhaps' (first in row 2 below the header)"),
    "0 and -1": (ROW + "000002.jpg,-1,0\n000003.jpg,0,0\n", "column 'Smiling' has both -1 and 0"),
    "an image twice": (ROW + ROW, "1 file named more than once: 000001.jpg"),
    "no image": (ROW + ",1,0\n", "1 row without a file"),
    "other images": (
        "a.png,1,0\nb.png,1,1\n",
        "none of the dataset's images: it has a.png, b.png, the dataset 0",
    ),
    "nothing audited": ("000001.jpg,,\nb.png,1,1\n", "has no label of its images"),
    "a ragged row": (ROW + "000002.jpg,1\n", "1 row with another number of values"),
}


@pytest.mark.parametrize("case", [*HEADERS, *ROWS])
def test_bad_tables(tmp_path, case):
    """What is wrong with a header is told without its rows."""
    path = tmp_path / ("audit.txt" if case == "another kind of file" else "audit.csv")
    text, message = HEADERS[case] if case in HEADERS else ("file,Smiling,Male\n" + ROWS[case][0], ROWS[case][1])
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=re.escape(message)) as error:
        read_audit(path, FILES, NAMES)
    assert "dataset.columns" not in str(error.value)
    faults = audit_faults(path, NAMES)
    assert str(error.value).splitlines() == faults if case in HEADERS else faults == []


def test_all_faults_are_told_at_once(tmp_path):
    path = tmp_path / "audit.csv"
    path.write_text("file,Smile,Make\na,1,1\n")
    assert len(audit_faults(path, NAMES)) == 2
    path.write_text("file,Smiling,Male\na,x,y\na,1,1\n")
    with pytest.raises(UserError) as error:
        read_audit(path, FILES, NAMES)
    for part in ("'Smiling' has 'x'", "'Male' has 'y'", "named more than once: a"):
        assert part in str(error.value)
