"""Options say what is wrong with them, and the registry lists what there is."""

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from faceflip.attacks import ATTACKS, Options, find
from faceflip.errors import UserError


def test_attacks_are_found_by_name():
    for name, attack in ATTACKS.items():
        assert find(name) is attack
        assert attack.name == name
    with pytest.raises(UserError, match="no attack 'fga-line'; did you mean fgs-line or ffa-line"):
        find("fga-line")
    with pytest.raises(UserError, match=f"no attack 'pgd'; there are {', '.join(ATTACKS)}"):
        find("pgd")


def test_options_are_frozen_and_documented_defaults():
    options = Options()
    with pytest.raises(FrozenInstanceError):
        options.batch_size = 3
    assert {field.name: getattr(options, field.name) for field in fields(options)} == {
        "batch_size": 32,
        "block_size": 256,
        "search": "doubling",
        "max_epsilon": 255,
        "epsilon_tolerance": 0,
        "max_steps": 100,
        "fgs_label": "current",
        "ffa_target": "current",
        "ffa_objective": "scores",
        "margin": None,
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": 0}, "option batch_size: expected a whole number from 1 on, not 0"),
        ({"batch_size": 8.0}, "option batch_size: expected a whole number"),
        ({"batch_size": np.float64(8)}, "option batch_size: expected a whole number from 1 on, not 8.0"),
        ({"max_steps": np.bool_(True)}, "option max_steps: expected a whole number from 1 on, not True"),
        ({"max_steps": True}, "option max_steps: expected a whole number"),
        ({"block_size": "many"}, "option block_size: expected a whole number"),
        ({"max_epsilon": 0.5}, "option max_epsilon: expected a number from 1 on, not 0.5"),
        ({"max_epsilon": float("inf")}, "option max_epsilon: expected a number"),
        ({"epsilon_tolerance": -1}, "option epsilon_tolerance: expected a number from 0 on, not -1"),
        ({"margin": float("nan")}, "option margin: expected a number"),
        ({"search": "Scan"}, "option search: no value 'Scan'; did you mean scan"),
        ({"fgs_label": "anotated"}, "option fgs_label: no value 'anotated'; did you mean annotated"),
        ({"ffa_target": 3}, "option ffa_target: no value 3; there are current, original"),
        ({"ffa_objective": ["scores"]}, "option ffa_objective: no value"),
        ({"max_eps": 3}, "no attack option 'max_eps'; did you mean max_steps or max_epsilon"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(values, message):
    with pytest.raises(UserError) as error:
        Options.of(values)
    assert message in str(error.value)


def test_numbers_of_numpy_are_numbers():
    options = Options.of({"batch_size": np.uint8(3), "max_steps": np.int64(5), "max_epsilon": np.float32(30.5)})
    assert options == Options(batch_size=3, max_steps=5, max_epsilon=30.5)
    assert {type(options.batch_size), type(options.max_steps)} == {int}
    assert type(options.max_epsilon) is float


def test_all_faults_are_told_at_once():
    with pytest.raises(UserError) as error:
        Options(batch_size=-1, max_steps=0, fgs_label="x")
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "option batch_size",
        "option max_steps",
        "option fgs_label",
    ]
    with pytest.raises(UserError, match=r"'a'.*\n.*'b'"):
        Options.of({"a": 1, "b": 2})
