"""What adversarial images of one network do to others: shares by attribute and in all, and how they are laid out."""

import pandas as pd
import pytest

from faceflip.analysis.make import make_table
from faceflip.analysis.statistics.intervals import clustered
from faceflip.analysis.tables.transferability_between import sheets, transferability_between
from faceflip.io.tables import write_table
from faceflip.workflow.products import TABLES_BETWEEN

CHANGED = {
    ("euclidean", "moon", "Male"): [1, 1, 0, 0],
    ("euclidean", "moon", "Smiling"): [1],
    ("euclidean", "softmax", "Male"): [0, 0, 0, 1],
    ("moon", "euclidean", "Smiling"): [1, 1],
}
"""Source, target, attribute: whether the decision on each image has changed."""


def transfers():
    rows = [
        {"network": source, "checkpoint": "converged", "attack": "ffa-line", "attribute": attribute, "image": image,
         "target": target, "changed": bool(changed)}
        for (source, target, attribute), values in CHANGED.items()
        for image, changed in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_shares_are_counted_by_pair_and_attribute_and_in_all(made):
    frame = transferability_between(transfers(), made.run)
    found = {
        (row["network"], row["target"], row["attribute"]): (row["changed"], row["images"])
        for row in frame.to_dict("records")
    }
    expected = {key: (sum(values), len(values)) for key, values in CHANGED.items()}
    expected |= {
        ("euclidean", "moon", "all"): (3, 5),
        ("euclidean", "softmax", "all"): (1, 4),
        ("moon", "euclidean", "all"): (2, 2),
    }
    assert found == expected
    assert frame["rate"].to_list() == pytest.approx((frame["changed"] / frame["images"]).to_list())
    # Image 0 counts twice in the whole of euclidean and moon: the interval knows.
    low, high = clustered(pd.DataFrame([[2], [1], [0], [0]]).to_numpy(), pd.DataFrame([[2], [1], [1], [1]]).to_numpy())
    row = frame[(frame["target"] == "moon") & (frame["attribute"] == "all")].iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((low[0], high[0]))


def test_a_sheet_for_each_attack_on_a_network(made):
    first, second = sheets(transferability_between(transfers(), made.run), made.run)
    assert [row[0] for row in first.rows] == ["Male", "Smiling", "all together"]
    assert first.rows[1][1] == "1"
    assert first.rows[1][2] == "–", "softmax was shown no image of Smiling"
    assert second.title.startswith("Transfer to other networks: MOON, ffa-line, PASS of at least 0.95")


@pytest.mark.parametrize("table", [transfers(), transfers().iloc[:0], pd.DataFrame()], ids=["some", "none", "no types"])
def test_the_page_is_made(made, tmp_path, table):
    write_table(tmp_path / "between.parquet", table.assign(sample="paper"))
    outputs = {kind: tmp_path / f"t.{kind}" for kind in ("csv", "md", "tex", "html")}
    product = TABLES_BETWEEN["transferability_between"]
    make_table(product, {"between": tmp_path / "between.parquet"}, made.run, outputs, True)
    text = outputs["md"].read_text()
    assert ("No adversarial image was shown to another network." in text) == (not len(table))
    assert len(product.reading.text) > 200
