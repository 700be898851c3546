"""What a configuration comes to: attempts in shards, members of networks, what is shown to whom, jobs."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceflip.attempt import Experiment
from faceflip.data.celeba import ATTRIBUTES
from faceflip.workflow.jobs import bundles_of, files_of_part, inputs_of, paper_links, rules_of, targets
from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings, merged, read_config

ROOT = Path(__file__).parents[2]
DEFAULT = read_config(ROOT)
ONLY = Experiment("paper", "euclidean", "converged", "ffa-line")


def planned(overlay):
    """The plan of the default with something laid over it."""
    return Plan(Settings.of(merged(DEFAULT, overlay)))


def of_size(attributes, images, shard_size, per="attribute"):
    """The plan of one attack on one network."""
    return Plan(
        Settings.of(
            {
                "attributes": list(ATTRIBUTES[:attributes]),
                "samples": {"paper": {"images": images}},
                "networks": {"euclidean": {"loss": "euclidean", "per": per}},
                "attacks": {"ffa-line": {}},
                "experiments": {"paper": {"euclidean": {"converged": ["ffa-line"]}}},
                "compute": {"shard_size": shard_size},
            }
        )
    )


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 100), st.sampled_from(["attribute", "all"]))
def test_shards_hold_every_attempt_once_and_in_order(attributes, images, shard_size, per):
    plan = of_size(attributes, images, shard_size, per)
    shards = plan.shards(ONLY)
    parts = {shard: plan.parts(ONLY, shard) for shard in shards}
    attempts = [
        (part.attribute, image) for shard in shards for part in parts[shard] for image in range(part.start, part.stop)
    ]
    assert attempts == [(attribute, image) for attribute in ATTRIBUTES[:attributes] for image in range(images)]
    assert plan.attempts_of(ONLY) == len(attempts)
    sizes = [sum(part.stop - part.start for part in parts[shard]) for shard in shards]
    assert sizes[:-1] == [shard_size] * (len(sizes) - 1)
    assert [plan.first_attempt(shard) for shard in shards] == [sum(sizes[:k]) for k in range(len(sizes))]
    for shard in shards:
        members = ["all"] if per == "all" else [part.attribute for part in parts[shard]]
        assert plan.members_of_shard(ONLY, shard) == members
        assert {part.member for part in parts[shard]} == set(members)


@pytest.mark.parametrize(("shard_size", "shards"), [(1000, 40), (10_000, 4), (100, 400)])
def test_one_knob_cuts_the_papers_work(shard_size, shards):
    plan = of_size(40, 1000, shard_size)
    assert len(plan.shards(ONLY)) == shards
    first = [part.attribute for part in plan.parts(ONLY, "000")]
    assert first == list(ATTRIBUTES[: max(shard_size // 1000, 1)])


@given(st.integers(1, 39), st.integers(1, 30), st.integers(1, 100))
def test_an_attribute_at_the_end_leaves_full_shards_alone(attributes, images, shard_size):
    before, after = (of_size(count, images, shard_size) for count in (attributes, attributes + 1))
    last = attributes * images
    full = [shard for shard in before.shards(ONLY) if before.first_attempt(shard) + shard_size <= last]
    assert [before.parts(ONLY, shard) for shard in full] == [after.parts(ONLY, shard) for shard in full]


def test_the_default_plan():
    plan = planned({})
    assert len(plan.experiments) == 14
    assert len(plan.settings.attacked) >= 8
    assert plan.settings.samples[plan.sample].images >= 100
    assert {str(each) for each in plan.transfers} == {
        "paper/euclidean/converged/ffa-line",
        "paper/euclidean/epoch2/ffa-line",
        "paper/moon/converged/ffa-line",
        "paper/moon/converged/ffa-iterative",
    }
    assert {str(each) for each in plan.scanned} == {
        f"paper/{network}/converged/{method}-line"
        for network, method in (("euclidean", "fgs"), ("euclidean", "ffa"), ("softmax", "fgs"), ("softmax", "ffa"))
    } | {"paper/moon/converged/ffa-line"}
    assert plan.networks["moon"].members == ("all",)
    assert plan.networks["softmax"].members == plan.settings.attacked
    assert plan.networks["softmax"].attributes_of("Male") == ("Male",)
    assert plan.networks["moon"].attributes_of("all") == ATTRIBUTES
    assert plan.networks["moon"].checkpoints == ["epoch2", "converged"]


def test_networks_of_one_loss_are_told_apart():
    networks = planned({"networks": {"wide": {"loss": "euclidean"}, "mine": {"loss": "bce", "title": "Ours"}}}).networks
    assert networks["wide"].title == "separate networks, Euclidean loss (wide)"
    assert networks["euclidean"].title == "separate networks, Euclidean loss (euclidean)"
    assert (networks["wide"].short, networks["mine"].short) == ("wide", "Ours")
    assert networks["softmax"].title == "separate networks, softmax loss"
    colors = [network.color for network in networks.values()]
    assert len(set(colors)) == len(colors)
    assert networks["euclidean"].color == planned({}).networks["euclidean"].color


def test_what_is_shown_to_others():
    shown = {each.network for each in planned({"analysis": {"transfer": "all"}}).transfers}
    assert shown == {"euclidean", "softmax", "moon"}
    without = planned({"attacks": {"ffa-line": None, "ffa-iterative": None}})
    assert {str(each) for each in without.transfers} == {
        "paper/euclidean/converged/fgs-line",
        "paper/euclidean/epoch2/fgs-line",
    }
    assert planned({"experiments": None}).transfers == ()


def test_what_is_scanned():
    assert planned({"analysis": {"scan_images": 0}}).scanned == ()
    scanning = planned({"attacks": {"fgs-line": {"search": "scan"}}})
    assert {each.attack for each in scanning.scanned} == {"ffa-line"}


def test_samples():
    more = {"samples": {"few": {"images": 7}}, "experiments": {"few": {"softmax": {"epoch2": ["ffa-line"]}}}}
    plan = planned(more)
    assert plan.sample == "paper"
    assert plan.samples_of("softmax") == ("paper", "few")
    assert plan.samples_of("moon") == ("paper",)
    few = Experiment("few", "softmax", "epoch2", "ffa-line")
    assert plan.attempts_of(few) == 7 * len(plan.settings.attacked)
    assert few not in (*plan.transfers, *plan.scanned)


def test_an_attack_is_named_by_method_and_search():
    attacks = planned({"attacks": {"up": {"direction": "fgs", "search": "scan"}}}).attacks
    assert attacks["ffa-iterative"].parts == ("ffa", "iterative")
    assert attacks["up"].parts == ("up", "line")
    assert attacks["ffa-iterative"].options == {
        "max_steps": 100,
        "ffa_target": "current",
        "ffa_crossed": "literal",
        "ffa_objective": "scores",
    }
    assert set(attacks["up"].options) == {
        "direction",
        "search",
        "max_epsilon",
        "epsilon_tolerance",
        "fgs_label",
        "fgs_scope",
    }


def test_a_search_precision_is_recorded_where_it_is_lower():
    """Stores that were made before there was the option are those of float32."""
    options = {
        precision: planned({"attacks": {"ffa-line": {"search_precision": precision}}}).attacks["ffa-line"].options
        for precision in ("float32", "tf32", "bfloat16")
    }
    assert options["float32"] == planned({}).attacks["ffa-line"].options
    assert "search_precision" not in options["float32"]
    for precision in ("tf32", "bfloat16"):
        assert options[precision] == {**options["float32"], "search_precision": precision}


def test_seeds_of_parts():
    """By default the run's, which a run's description does not repeat."""
    plan = planned({})
    settings = plan.settings
    parts = [settings.synthetic, settings.samples["paper"], *(each.training for each in settings.networks.values())]
    assert {settings.seed_of(part) for part in parts} == {2018}
    assert plan.own_seeds == {}
    own = {"synthetic": {"seed": 3}, "samples": {"paper": {"seed": 0}}, "training": {"seed": 5}}
    own["networks"] = {"moon": {"training": {"seed": 2018}}}
    plan = planned(own)
    assert plan.own_seeds == {
        "synthetic.seed": 3,
        "samples.paper.seed": 0,
        "networks.euclidean.training.seed": 5,
        "networks.softmax.training.seed": 5,
    }
    description = plan.description()
    assert description["seeds"] == plan.own_seeds
    assert all("seed" not in network["training"] for network in description["networks"]), "no departure from the paper"
    assert planned({**own, "dataset": {"celeba": "elsewhere"}}).own_seeds.keys() == plan.own_seeds.keys() - {
        "synthetic.seed"
    }


def test_a_description_is_plain():
    description = planned({}).description()
    assert json.loads(json.dumps(description)) == description


@pytest.mark.parametrize(
    "overlay",
    [
        {},
        {"experiments": None},
        {"networks": {"euclidean": None, "softmax": None}},
        {"networks": {"moon": None}, "training": {"checkpoints": [1, 2, 3], "max_epochs": 6}},
        {"dataset": {"celeba": "elsewhere"}},
    ],
    ids=["default", "no attacks", "moon", "three epochs", "celeba"],
)
def test_jobs(overlay):
    plan = planned(overlay)
    rules = rules_of(plan)
    files = [file for rule in rules.values() for file in rule.files]
    assert len(set(files)) == len(files), "no file is made twice"
    assert not any("{" in file for file in files)
    for rule in rules.values():
        for wildcards in rule.jobs:
            assert sorted(rule.wildcards) == sorted(wildcards)
    parts = [job["part"] for job in rules["take_inventory"].jobs]
    listed = [file for part in parts for made in files_of_part(rules, part).values() for file in made]
    beside = {file for name in ("take_inventory", "write_index", "link_paper_names") for file in rules[name].files}
    assert sorted(listed) == sorted(set(files) - beside), "every other file is in one inventory"
    assert set(targets(rules)) <= set(files)
    for product in (*plan.tables.values(), *plan.figures.values()):
        for found in inputs_of(product, rules).values():
            assert set([found] if isinstance(found, str) else found) <= set(files)
    links = paper_links(plan, rules)
    assert set(links.values()) <= set(files)
    assert {"table1.csv", "table2.tex", "figure1.pdf", "figure5.png"} <= set(links)
    epochs = [f"epoch{epoch}" for epoch in plan.settings.training.checkpoints]
    assert set(rules["train_network"].outputs) == {"converged", "history", *epochs}


@pytest.mark.parametrize(
    ("analysis", "tables", "figures"),
    [
        ({"tables": [], "figures": []}, {"classification_error", "trainings", "warnings"}, set()),
        (
            {"tables": ["paper_claims"], "figures": []},
            {
                *("classification_error", "flippability", "transferability", "correlation", "trainings"),
                *("warnings", "statistics", "paper_claims"),
            },
            set(),
        ),
        (
            {"tables": [], "figures": ["success", "examples"]},
            {"classification_error", "success", "trainings", "warnings"},
            {"success", "examples"},
        ),
        (
            {"tables": ["label_doubt"], "figures": []},
            {"classification_error", "label_doubt", "trainings", "warnings"},
            set(),
        ),
    ],
)
def test_tables_and_figures_that_are_chosen_come_with_what_they_are_made_from(analysis, tables, figures):
    plan, whole = planned({"analysis": analysis}), planned({})
    assert (set(plan.tables), set(plan.figures)) == (tables, figures)
    files = {file for rule in rules_of(plan).values() for file in rule.files}
    for product in [*plan.tables.values(), *plan.figures.values()]:
        for found in inputs_of(product, rules_of(plan)).values():
            assert set([found] if isinstance(found, str) else found) <= files
    assert list(plan.tables) == [name for name in whole.tables if name in tables], "in their order"
    assert planned({"analysis": {"tables": "all", "figures": "all"}}).tables == whole.tables


def test_a_table_of_ones_own_brings_what_it_is_made_from(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text('"""Mine."""\n')
    own = {"mine": {"file": str(file), "title": "Mine", "inputs": ["flippability", "attempts"]}}
    plan = planned({"analysis": {"tables": [], "figures": []}, "tables": own})
    assert set(plan.tables) == {"classification_error", "flippability", "trainings", "warnings", "mine"}


def bundles(plan, there=()):
    return list(bundles_of(plan, rules_of(plan), there.__contains__))


@pytest.mark.parametrize(("size", "cut"), [(1, []), (3, [3, 3, 2]), (7, [7]), (8, [8]), (100, [8])])
def test_networks_of_a_job_follow_each_other(size, cut):
    """The rest, where it is one network, is trained alone, and so is a network of all attributes."""
    plan = planned({"compute": {"networks_per_job": size}})
    made = bundles(plan)
    assert [(each.network, len(each.members)) for each in made] == [
        (network, count) for network in ("euclidean", "softmax") for count in cut
    ]
    for network in ("euclidean", "softmax"):
        together = [member for each in made if each.network == network for member in each.members]
        assert tuple(together) == plan.settings.attacked[: sum(cut)]
    logs = {each.log.format(network=each.network) for each in made}
    assert len({each.name for each in made}) == len(logs) == len(made)


def test_a_job_of_several_networks_makes_what_their_own_jobs_would():
    plan = planned({"compute": {"networks_per_job": 3}})
    train, made = rules_of(plan)["train_network"], bundles(plan)
    files = [file.format(**each.jobs[0]) for each in made for files in each.outputs.values() for file in files]
    alone = [file for job in train.jobs if job["network"] != "moon" for file in train.made(job)]
    assert sorted(files) == sorted(alone)
    assert made[1].name == "train_network_euclidean_2"
    assert made[1].log.format(network="euclidean") == "logs/train_network/euclidean/bundles/2.log"
    assert made[1].benchmark.format(network="euclidean") == "results/benchmarks/train_network/euclidean/bundles/2.tsv"


def test_networks_that_are_there_are_left_alone():
    """All of a job's networks are trained alone where one of them is finished: a job makes its outputs anew."""
    plan = planned({"compute": {"networks_per_job": 3}})
    train, made = rules_of(plan)["train_network"], bundles(plan)
    finished = train.made({"network": "euclidean", "member": plan.settings.attacked[4]})
    assert [each.name for each in bundles(plan, finished)] == [each.name for each in made if each != made[1]]
    assert bundles(plan, finished[1:]) == made, "one of its files is missing"
    assert bundles(plan, train.files) == []
