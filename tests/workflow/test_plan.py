from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from faceflip.data.celeba import ATTRIBUTES
from faceflip.workflow.plan import Experiment, Plan

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 100))
def test_shards_hold_every_attempt_once_and_in_order(attributes, images, shard_size):
    plan = Plan(ATTRIBUTES[:attributes], images, shard_size, ())
    attempts = [
        (part.attribute, image)
        for shard in plan.shards
        for part in plan.attempts(shard)
        for image in range(part.start, part.stop)
    ]
    assert attempts == [(attribute, image) for attribute in plan.attributes for image in range(images)]
    sizes = [sum(part.stop - part.start for part in plan.attempts(shard)) for shard in plan.shards]
    assert sizes[:-1] == [shard_size] * (len(sizes) - 1)
    assert [plan.first_attempt(shard) for shard in plan.shards] == [sum(sizes[:k]) for k in range(len(sizes))]


@pytest.mark.parametrize(("shard_size", "shards"), [(1000, 40), (10_000, 4), (100, 400)])
def test_one_knob_cuts_the_papers_work(shard_size, shards):
    plan = Plan(ATTRIBUTES, 1000, shard_size, ())
    assert len(plan.shards) == shards
    assert [part.attribute for part in plan.attempts("000")] == list(ATTRIBUTES[: max(shard_size // 1000, 1)])


@given(st.integers(1, 39), st.integers(1, 30), st.integers(1, 100))
def test_an_attribute_at_the_end_leaves_full_shards_alone(attributes, images, shard_size):
    before = Plan(ATTRIBUTES[:attributes], images, shard_size, ())
    after = Plan(ATTRIBUTES[: attributes + 1], images, shard_size, ())
    full = [shard for shard in before.shards if before.first_attempt(shard) + shard_size <= attributes * images]
    assert [before.attempts(shard) for shard in full] == [after.attempts(shard) for shard in full]


def test_the_default_plan(config):
    plan = Plan.from_config(config)
    assert len(plan.experiments) == 14
    assert len(plan.attributes) >= 8
    assert plan.images >= 100
    assert set(plan.transfers) == {
        Experiment("euclidean", "converged", "ffa-line"),
        Experiment("euclidean", "epoch2", "ffa-line"),
        Experiment("moon", "converged", "ffa-line"),
        Experiment("moon", "converged", "ffa-iterative"),
    }
    assert list(plan.members("moon")) == ["moon"]
    assert list(plan.members("softmax")) == [f"softmax/{attribute}" for attribute in plan.attributes]
