"""Scores belong to the store that they were computed from, and to no other."""

import shutil

import pandas as pd
import pytest
from store_builder import STEM

from faceflip.errors import UserError
from faceflip.io.tables import read_table, write_table
from faceflip.stages.collect import collect_attempts
from faceflip.store import open_store
from faceflip.store.scores import read_scores, read_scores_of, scores_path


@pytest.fixture
def pairs(build):
    """Two shards of as many attempts, of which the same ones flipped, and their scores."""
    shards = build.shards(count=2)
    return [(shard, build.scores(shard)) for shard in shards]


def test_scores_are_read(pairs):
    for shard, scores in pairs:
        with open_store(shard) as store:
            pd.testing.assert_frame_equal(read_scores_of(store, scores), read_table(scores))


def place_of(path):
    with open_store(path) as shard:
        return scores_path(shard)


def test_scores_lie_beside_the_attacks_of_a_run(build, monkeypatch):
    """Where a run keeps a shard follows from what the shard says of itself, not from its path."""
    shard = build.shard(f"{STEM}/012.h5", shard=12)
    expected = build.folder / f"{STEM}/012.parquet".replace("attacks", "scores")
    assert place_of(shard) == expected
    monkeypatch.chdir(build.folder)
    assert place_of(f"{STEM}/012.h5") == expected.relative_to(build.folder), "named as the shard was"
    monkeypatch.chdir(shard.parent)
    assert place_of("012.h5") == expected
    (build.folder / "results").rename(build.folder / "of last week")
    moved = build.folder / "of last week" / expected.relative_to(build.folder / "results")
    assert place_of(build.folder / "of last week" / shard.relative_to(build.folder / "results")) == moved


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("000.h5", {}),
        ("attacks/000.h5", {}),
        ("results/000.h5", {}),
        (f"{STEM}/001.h5", {}),
        (f"{STEM}/000.h5", {"attack": "ffa-iterative"}),
        (f"{STEM}/000.h5", {"network": "softmax"}),
        (f"{STEM}/000.h5", {"checkpoint": "epoch2"}),
        (f"{STEM}/000.h5", {"sample": "harden"}),
    ],
)
def test_shards_elsewhere_have_no_scores(build, path, header):
    """A copy under another name, or in another attack's folder, is not given that one's scores."""
    shard = build.shard(path, **header)
    assert place_of(shard) is None
    with open_store(shard) as store:
        assert read_scores(store) is None


def test_scores_of_a_joined_view_come_from_its_shards(pairs, build):
    view = build.view(count=2)
    scores = read_table(pairs[1][1])
    pairs[0][1].unlink()
    with open_store(view) as store:
        found = read_scores(store)
    pd.testing.assert_frame_equal(found.assign(row=found["row"] - 24), scores)


def test_collected_attempts_say_how_they_were_scored(pairs, tmp_path):
    attempts = collect_attempts(pairs)
    assert attempts["pass"].max() == 0.46
    assert attempts[["sample", "network", "checkpoint", "attack"]].drop_duplicates().to_numpy().tolist() == [
        ["paper", "euclidean", "converged", "ffa-line"]
    ]
    assert attempts.attrs == {"similarity": {"color": "rgb"}}
    write_table(tmp_path / "a.parquet", attempts)
    assert read_table(tmp_path / "a.parquet").attrs == attempts.attrs


def test_scores_of_another_shard_of_as_many_attempts(pairs):
    (first, scores), (_, others) = pairs
    shutil.copyfile(others, scores)
    with pytest.raises(
        UserError, match=r"scores.*000\.parquet: holds the scores of a store of SHA-256 \w{12}\.\.\., that of"
    ):
        collect_attempts([(first, scores)])


def test_scores_of_a_store_that_was_attacked_anew(pairs, build):
    (first, scores), _ = pairs
    build.shard(first, variant=1)
    with pytest.raises(UserError, match=r"scores of a store of SHA-256 .*; delete it, then run: snakemake"):
        collect_attempts([(first, scores)])


def test_scores_that_do_not_say_whose_they_are(pairs):
    (first, scores), _ = pairs
    table = read_table(scores)
    table.attrs = {}
    write_table(scores, table)
    with pytest.raises(UserError, match="does not say which store it scores"):
        collect_attempts([(first, scores)])


@pytest.mark.parametrize(
    "columns", [{"pass": 0.9}, {"pass": float("nan")}, {"row": range(1, 25)}, {"row": range(23, -1, -1)}]
)
def test_scores_of_the_wrong_attempts(pairs, build, columns):
    (first, _), _ = pairs
    with pytest.raises(UserError, match=r"one row for each attempt .* a PASS exactly where it flipped"):
        collect_attempts([(first, build.scores(first, **columns))])


def test_a_table_that_holds_no_scores(pairs):
    (first, scores), _ = pairs
    write_table(scores, pd.DataFrame({"row": range(24)}))
    with pytest.raises(UserError, match="lacks the columns pass of a table of scores"):
        collect_attempts([(first, scores)])


def test_shards_scored_by_different_definitions(pairs, build):
    second = build.scores(pairs[1][0], color="gray")
    with pytest.raises(
        UserError, match=r"001\.parquet: scored by another definition of the similarity than .*000\.parquet"
    ):
        collect_attempts(pairs)
    assert second == pairs[1][1]
