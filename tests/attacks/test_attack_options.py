"""Options say what is wrong with them, and the catalogue lists what attacks there are."""

import numpy as np
import pytest
from pydantic import ValidationError

from faceflip.attacks import AttackOptions
from faceflip.attacks.options import JUDGED_AGAIN, AttackSettings, heeded_by, options_of
from faceflip.catalogue import ATTACKS, PAPER_ATTACKS, find_attack, find_search, parts_of
from faceflip.errors import UserError


def test_attacks_are_found_by_name():
    for name, entry in ATTACKS.items():
        assert find_attack(name) is entry
        assert AttackOptions().attack(name) == entry
    for name, entry in PAPER_ATTACKS.items():
        assert parts_of(name, find_search(entry.search).kind) == tuple(name.split("-"))
    for name in ("ffa-newton", "ffa-descent"):
        assert parts_of(name, find_search(ATTACKS[name].search).kind) == (name, "minimal"), "none of the paper's FFA"
    with pytest.raises(UserError, match="no attack 'fga-line'; did you mean fgs-line or ffa-line"):
        find_attack("fga-line")
    with pytest.raises(UserError, match=f"no attack 'pgd'; there are {', '.join(ATTACKS)}"):
        find_attack("pgd")


def test_options_are_frozen_and_documented_defaults():
    options = AttackOptions()
    with pytest.raises(ValidationError, match="frozen"):
        options.batch_size = 3
    assert options.model_dump() == {
        "direction": None,
        "search": None,
        "max_epsilon": 255,
        "epsilon_tolerance": 0,
        "search_precision": "float32",
        "max_steps": 100,
        "descent_steps": 30,
        "fgs_label": "current",
        "fgs_scope": "network",
        "ffa_target": "current",
        "ffa_crossed": "literal",
        "ffa_objective": "scores",
        "file": None,
        "options": {},
        "then": None,
        "batch_size": 32,
        "block_size": 256,
        "margin": None,
        "seed": 0,
    }
    assert all(field.description for field in AttackOptions.model_fields.values())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": 0}, "option batch_size: expected a number from 1 on, found 0"),
        ({"batch_size": 8.0}, "option batch_size: expected a whole number, found 8.0"),
        ({"batch_size": np.float64(8)}, "option batch_size: expected a whole number, found 8.0"),
        ({"max_steps": np.bool_(True)}, "option max_steps: expected a whole number, found True"),
        ({"max_steps": True}, "option max_steps: expected a whole number, found True"),
        ({"block_size": "many"}, "option block_size: expected a whole number, found 'many'"),
        ({"max_epsilon": 0.5}, "option max_epsilon: expected a number from 1.0 on, found 0.5"),
        ({"max_epsilon": float("inf")}, "option max_epsilon: expected a finite number, found inf"),
        ({"epsilon_tolerance": -1}, "option epsilon_tolerance: expected a number from 0.0 on, found -1"),
        ({"margin": float("nan")}, "option margin: expected a finite number, found nan"),
        ({"fgs_label": "anotated"}, "option fgs_label: 'anotated' is none of current, annotated, opposite; did you me"),
        ({"fgs_scope": "one"}, "option fgs_scope: 'one' is none of network, attribute"),
        ({"search_precision": "float16"}, "option search_precision: 'float16' is none of float32, tf32, bfloat16; did"),
        ({"ffa_target": 3}, "option ffa_target: 3 is none of current, original"),
        ({"ffa_objective": ["scores"]}, "option ffa_objective: ['scores'] is none of scores, margin"),
        ({"max_eps": 3}, "no attack option 'max_eps'; did you mean max_steps or max_epsilon"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(values, message):
    with pytest.raises(UserError) as error:
        AttackOptions.of(values)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("ffa-line", {"search": "Scan"}, "no search 'Scan'; did you mean scan"),
        ("ffa-line", {"direction": "fgd"}, "no direction 'fgd'; did you mean fgs"),
        ("ffa-iterative", {"search": "scan"}, "option search: scan is no iterative search, as ffa-iterative is"),
        ("mine", {"direction": "ffa"}, "attack 'mine' also needs the option search, as it is none of fgs-line, fgs-it"),
        ("mine", {"search": "scan"}, "attack 'mine' also needs the option direction"),
        ("ffa", {"file": "ffa.py:f"}, "option file: tables would take ffa for the paper's FFA; give ffa.py:f another"),
        ("FGS-reference", {"file": "f.py:f"}, "tables would take FGS-reference for the paper's FGS; give f.py:f"),
        ("ffa", {"file": "ffa.py:f", "then": "line"}, "tables would take ffa for the paper's FFA"),
        ("mine", {"direction": "ffa", "search": "doubl"}, "no search 'doubl'; did you mean doubling"),
    ],
)
def test_directions_and_searches_go_with_the_attack(name, values, message):
    with pytest.raises(UserError) as error:
        AttackOptions.of(values).attack(name)
    assert message in str(error.value)


def test_an_attack_is_put_together_of_a_direction_and_a_search():
    entry = AttackOptions(direction="fgs", search="iterative").attack("mine")
    assert (entry.direction, entry.search) == ("fgs", "iterative")
    assert AttackOptions(search="scan").attack("fgs-line").direction == "fgs"
    assert AttackOptions(descent_steps=12).attack("ffa-descent").gradients == 13
    own = AttackOptions(direction="mine.py:Mine").attack("ffa-line")
    assert (own.direction, own.search) == ("mine.py:Mine", "doubling")


def test_an_attack_heeds_the_options_of_its_direction_and_its_search():
    heeded = {name: heeded_by(entry) - {"direction", "search"} for name, entry in ATTACKS.items()}
    assert heeded["fgs-iterative"] == {"fgs_label", "fgs_scope", "max_steps"}
    along = {"max_epsilon", "epsilon_tolerance", "search_precision"}
    assert heeded["ffa-line"] == {"ffa_objective", *along}, "the others change later steps"
    ours = set(AttackSettings.model_fields) - {"file", "options", "then"}
    assert set().union(*heeded.values()) | {"direction", "search"} == ours
    own = find_attack("mine", "mine.py:Mine", "mine.py:Search")
    assert options_of(own) == ours, "an own direction may heed any"
    assert AttackSettings(file="mine.py:ffa").attack("mine.py:ffa").search == "reference", "tables call it otherwise"
    assert options_of(AttackSettings(file="mine.py:f").attack("mine")) == {"file", "options"}
    assert options_of(AttackSettings(file="mine.py:f", then="line").attack("mine")) == {
        "file",
        "options",
        "then",
        *along,
    }


def test_a_lower_precision_is_counted_where_there_are_probes():
    """Verdicts are taken again in float32; `faceflip plan` counts these passes."""
    for name, entry in ATTACKS.items():
        forwards = AttackOptions(search_precision="tf32").attack(name).forwards
        assert forwards == entry.forwards + (0 if name.endswith("iterative") else JUDGED_AGAIN)
    for then, more in ((None, 0), ("line", JUDGED_AGAIN)):
        foreign = AttackSettings(file="mine.py:f", then=then)
        coarse = foreign.model_copy(update={"search_precision": "bfloat16"})
        assert coarse.attack("mine").forwards == foreign.attack("mine").forwards + more


def test_numbers_of_numpy_are_numbers():
    options = AttackOptions.of({"batch_size": np.uint8(3), "max_steps": np.int64(5), "max_epsilon": np.float32(30.5)})
    assert options == AttackOptions(batch_size=3, max_steps=5, max_epsilon=30.5)
    assert {type(options.batch_size), type(options.max_steps)} == {int}
    assert type(options.max_epsilon) is float


def test_all_faults_are_told_at_once():
    with pytest.raises(UserError) as error:
        AttackOptions.of({"batch_size": -1, "max_steps": 0, "fgs_label": "x"})
    assert {line.split(":")[0] for line in str(error.value).splitlines()} == {
        "option batch_size",
        "option max_steps",
        "option fgs_label",
    }
    with pytest.raises(UserError, match=r"'a'.*\n.*'b'"):
        AttackOptions.of({"a": 1, "b": 2})
