"""Networks that are fine-tuned from others, and networks of several seeds, in a configuration and its plan."""

import os

import pytest
from running import ROOT

from faceflip.attempt import Experiment
from faceflip.errors import UserError
from faceflip.io import paths
from faceflip.workflow.estimate import Estimate
from faceflip.workflow.jobs import Rule, files_of_part, inputs_of, rules_of
from faceflip.workflow.plan import Plan
from faceflip.workflow.products import EVERY_TABLE, Product
from faceflip.workflow.settings import Settings, merged, read_config

DEFAULT = read_config(ROOT)
HARDEN = {"samples": {"harden": {"images": 200}, "unseen": {"split": "test", "images": 50}}}
HARD = {"from": "moon/converged", "diet": "hard", "attack": "ffa-line"}


def config(networks, **more):
    """The default with fine-tuned networks and the samples that they need."""
    return merged(merged(DEFAULT, HARDEN), {"networks": networks, **more})


def planned(networks, **more):
    return Plan(Settings.of(config(networks, **more)))


def faults(networks, **more):
    with pytest.raises(UserError) as caught:
        Settings.of(config(networks, **more))
    return str(caught.value).splitlines()[1:]


BAD = {
    "no such network": (
        {"x": {**HARD, "from": "mon"}},
        {},
        "networks.x.from: there is no network 'mon'; did you mean m",
    ),
    "no such checkpoint": (
        {"x": {**HARD, "from": "moon/epoch7"}},
        {},
        "networks.x.from: moon keeps no checkpoint 'epoch7', it has epoch2, converged",
    ),
    "from itself": ({"x": {**HARD, "from": "x"}}, {}, "networks.x.from: goes round in a circle: x from x"),
    "in a circle": (
        {"x": {**HARD, "from": "y"}, "y": {**HARD, "from": "x"}},
        {},
        "networks.y.from: goes round in a circle: x from y from x",
    ),
    "no such diet": ({"x": {**HARD, "diet": "hrd"}}, {}, "networks.x.diet: 'hrd' is none of control, noise, adv"),
    "a loss of its own": ({"x": {**HARD, "loss": "bce"}}, {}, "networks.x.loss: a fine-tuned network has this of its"),
    "an architecture of its own": (
        {"x": {**HARD, "architecture": {"width": 1.0}}},
        {},
        "networks.x.architecture: a fine-tuned network has this of its source",
    ),
    "a schedule": (
        {"x": {**HARD, "training": {"max_epochs": 3}}},
        {},
        "networks.x.training.max_epochs: fine-tuning has `epochs`",
    ),
    "a rate among the training": (
        {"x": {**HARD, "training": {"learning_rate": 0.1}}},
        {},
        "networks.x.training.learning_rate: fine-tuning has `epochs`, and a constant `learning_rate` beside `from`",
    ),
    "a diet without a source": (
        {"x": {"loss": "bce", "diet": "hard"}},
        {},
        "networks.x.diet: is of a network that is fine-tuned; name its source in `from`",
    ),
    "no attack": (
        {"x": {"from": "moon", "diet": "hard"}},
        {},
        "networks.x.attack: missing; the diet hard is made of what an attack on the source found",
    ),
    "no such attack": ({"x": {**HARD, "attack": "ffa"}}, {}, "networks.x.attack: there is no attack 'ffa'"),
    "an attack that cannot pick an attribute": (
        {"x": {**HARD, "attack": "fgs-line"}},
        {},
        "networks.x.attack: fgs-line raises the loss of all attributes of the network and cannot pick one",
    ),
    "no such sample": ({"x": {**HARD, "sample": "hard"}}, {}, "networks.x.sample: there is no sample 'hard'"),
    "a sample of test images": (
        {"x": {**HARD, "sample": "unseen"}},
        {},
        "samples.unseen.split: networks are fine-tuned on it, so it must be of the split train",
    ),
    "the sample of the tables": (
        {"x": {**HARD, "sample": "paper"}},
        {},
        "samples.paper: networks are fine-tuned on it; name another sample, `paper`, for tables",
    ),
    "judged by what it was fed": (
        {"x": HARD},
        {"experiments": {"harden": {"x": {"tuned": ["ffa-line"]}}}},
        "experiments.harden.x: networks are fine-tuned on the sample harden, and none of them is judged by it",
    ),
    "another checkpoint": (
        {"x": HARD},
        {"experiments": {"paper": {"x": {"converged": ["ffa-line"]}}}},
        "experiments.paper.x.converged: x keeps no such checkpoint, it has tuned (it is fine-tuned)",
    ),
    "a sample called as a split": (
        {"x": HARD},
        {"samples": {"test": {"split": "test", "images": 10}}},
        "samples.test: tables on fine-tuning call the test split so; call it otherwise",
    ),
    "doubts that are not there": (
        {"x": {**HARD, "doubts": "d.csv"}},
        {},
        "networks.x.doubts: d.csv: no such file; paths",
    ),
    "doubts of no use": (
        {"x": {"from": "moon", "diet": "pgd", "doubts": "d.csv"}},
        {},
        "networks.x.doubts: the diet pgd takes no images that an attack found; remove this key",
    ),
    "too few images": (
        {"x": HARD},
        {"samples": {"harden": {"images": 1600}}},
        "samples: harden and paper share no image, as networks are fine-tuned on harden: 1700 is more than synth",
    ),
    "some outputs of one network": (
        {
            "x": {**HARD, "attributes": ["Male"], "from": "pair"},
            "pair": {"loss": "bce", "per": "all", "attributes": ["Male", "Bald"]},
        },
        {},
        "networks.x.attributes: pair decides on all its attributes at once; remove this key",
    ),
    "a member that there is not": (
        {"x": {**HARD, "from": "softmax", "attributes": ["Male", "Bald"]}},
        {},
        "networks.x.attributes: softmax has no network for Bald",
    ),
    "a seed that the source has not": (
        {"moon": {"seeds": [1, 2]}, "x": {**HARD, "seeds": [2, 3]}},
        {},
        "networks.x.seeds: moon has no seed 3; it has [1, 2]",
    ),
    "a seed twice": ({"moon": {"seeds": [1, 1]}}, {}, "networks.moon.seeds: [1, 1] names one twice"),
    "seeds and a seed": (
        {"moon": {"seeds": [1], "training": {"seed": 4}}},
        {},
        "networks.moon.seeds: there is a training.seed, of this network or of all; remove one of them",
    ),
    "a seed of its own where the source lists some": (
        {"moon": {"seeds": [1]}, "x": {**HARD, "training": {"seed": 4}}},
        {},
        "networks.x.training.seed: moon lists `seeds`, and this is made once for each; remove this key",
    ),
    "some attributes of a network of all": (
        {"x": {**HARD, "attributes": ["Male", "Smiling"]}},
        {},
        "networks.x.attributes: moon decides on all its attributes at once; remove this key",
    ),
    "factors of no use": (
        {"x": {**HARD, "diet": "all", "factors": [2.0]}},
        {},
        "networks.x.factors: the diet all has none of its own; remove this key",
    ),
    "an adversary of no use": (
        {"x": {**HARD, "adversary": {"eps": 4.0}}},
        {},
        "networks.x.adversary: the diet hard is not made on the fly; remove this key",
    ),
    "a name that seeds make": (
        {"moon": {"seeds": [1]}, "moon-seed1": {"loss": "bce"}},
        {},
        "networks.moon-seed1: tables have another method moon-seed1; call it otherwise",
    ),
    "a share of more than all": ({"x": {**HARD, "share": 1.5}}, {}, "networks.x.share: expected a number up to 1"),
    "no epsilon": (
        {"x": {"from": "moon", "diet": "pgd", "adversary": {"eps": 0}}},
        {},
        "networks.x.adversary.eps: expected a number above 0.0, found 0",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_configurations(case):
    networks, more, expected = BAD[case]
    found = faults(networks, **more)
    assert any(line.strip().startswith(expected) for line in found), found


def test_what_is_inherited_is_told_once():
    found = faults({"moon": {"training": {"batch_size": 0}}, "x": HARD})
    assert [line.strip() for line in found] == [
        "networks.moon.training.batch_size: expected a number from 1 on, found 0"
    ]


def test_what_a_source_says_holds():
    plan = planned({"x": {**HARD, "training": {"batch_size": 8}}, "y": {**HARD, "from": "x"}})
    moon, x, y = (plan.networks[name] for name in ("moon", "x", "y"))
    assert (x.source, x.checkpoint, y.source, y.checkpoint) == (moon, "converged", x, "tuned")
    assert y.root is x.root is moon
    assert x.settings.loss == y.settings.loss == "euclidean"
    assert x.joint
    assert y.joint
    assert x.attributes == moon.attributes
    assert x.attacked == moon.attacked
    assert (moon.settings.training.batch_size, x.settings.training.batch_size, y.settings.training.batch_size) == (
        16,
        8,
        8,
    )
    assert x.checkpoints == ["tuned"]
    assert x.settings.training.learning_rate == moon.settings.training.learning_rate
    assert Estimate.of(plan.settings).costs["y"] == Estimate.of(plan.settings).costs["moon"]


def test_tables_of_the_paper_are_about_others():
    plan = planned({"x": HARD})
    description = plan.description()
    assert [network["name"] for network in description["networks"]] == ["euclidean", "softmax", "moon"]
    assert [tuning["name"] for tuning in description["tunings"]] == ["x"]
    assert not any(each.network == "x" for each in (*plan.transfers, *plan.scanned))
    without = planned({}).description()
    assert without["tunings"] == []
    assert without["samples"] == {}
    assert not {"fine_tuning", "seeds"} & planned({}).tables.keys()
    assert {"fine_tuning", "fine_tuning_natural"} <= plan.tables.keys()
    assert plan.tables.keys() <= EVERY_TABLE.keys()


def test_seeds():
    plan = planned(
        {"moon": {"seeds": [3, 1]}, "x": HARD, "y": {**HARD, "seeds": [1]}, "z": {"from": "euclidean", "seeds": [7, 8]}}
    )
    assert [name for name in plan.networks if "seed" in name] == [
        "moon-seed3", "moon-seed1", "z-seed7", "z-seed8", "x-seed3", "x-seed1", "y-seed1",
    ]  # fmt: skip
    of = {name: network.source.name for name, network in plan.networks.items() if network.tuned}
    assert of == {
        "z-seed7": "euclidean", "z-seed8": "euclidean",
        "x-seed3": "moon-seed3", "x-seed1": "moon-seed1", "y-seed1": "moon-seed1",
    }  # fmt: skip
    for network in plan.networks.values():
        assert network.settings.training.seed == network.seed
    assert plan.settings.seed_of(plan.networks["x-seed3"].settings.training) == 3
    assert "seeds" in plan.tables
    assert {each.network for each in plan.experiments if each.sample == "paper"} >= {
        "moon-seed1",
        "moon-seed3",
        "x-seed1",
    }
    titles = [network.title for network in plan.networks.values()]
    assert len(set(titles)) == len(titles) - 2, "the seeds of a fine-tuned network share its title"
    named = {each["name"]: (each.get("group"), each.get("seed")) for each in plan.description()["networks"]}
    assert named["moon-seed3"] == ("moon", 3)
    assert named["euclidean"] == (None, None)


def test_tuned_networks_are_attacked_as_their_source():
    plan = planned({"x": HARD, "y": HARD}, experiments={"unseen": {"moon": {"converged": ["ffa-line"]}}})
    attacks = {
        (each.sample, each.attack) for each in plan.experiments if (each.network, each.checkpoint) == ("x", "tuned")
    }
    assert attacks == {("paper", "ffa-line"), ("paper", "ffa-iterative"), ("unseen", "ffa-line")}
    said = planned({"x": HARD, "y": HARD}, experiments={"unseen": {"x": {"tuned": ["ffa-iterative"]}}})
    assert [each for each in said.experiments if each.network == "x"] == [
        Experiment("unseen", "x", "tuned", "ffa-iterative")
    ]
    assert {each.attack for each in said.experiments if each.network == "y"} == {"ffa-line", "ffa-iterative"}


def test_what_is_fed_is_attacked_without_being_asked():
    fed = Experiment("harden", "moon", "converged", "ffa-line")
    assert fed in planned({"x": HARD}).experiments
    for harmless in ({"diet": "control"}, {"share": 0}, {"diet": "pgd"}):
        plan = planned({"x": {**HARD, **harmless}})
        assert not any(each.sample == "harden" for each in plan.experiments)
        assert plan.fodder(plan.networks["x"], "all") is None
        assert plan.settings.apart_from("harden") == ()
    assert planned({"x": {**HARD, "share": 0}}).networks["x"].settings.heeded == {"diet": "control", "epochs": 1}


def test_who_is_fed_what():
    plan = planned({"x": {**HARD, "from": "softmax", "attributes": ["Smiling", "Bangs"]}}, compute={"shard_size": 300})
    x = plan.networks["x"]
    for member in x.members:
        experiment, shards = plan.fodder(x, member)
        assert experiment == Experiment("harden", "softmax", "converged", "ffa-line")
        attempts = [part for shard in shards for part in plan.parts(experiment, shard) if part.member == member]
        assert sum(part.stop - part.start for part in attempts) == 200
        assert all(any(part.member == member for part in plan.parts(experiment, shard)) for shard in shards)
    assert plan.samples_of("x") == ("paper", "harden")
    assert plan.held_out == ("paper",)
    assert plan.settings.apart_from("harden") == ("paper",)
    assert plan.settings.apart_from("paper") == ()


def test_old_adversarial_images_are_shown_to_new_networks():
    plan = planned(
        {"x": {**HARD, "from": "moon/epoch2"}, "y": HARD},
        experiments={
            "paper": {"moon": {"epoch2": ["ffa-line"]}},
            "unseen": {"moon": {"converged": ["ffa-iterative", "ffa-line"]}},
        },
    )
    shown = {each: [other.name for other in plan.others(each)] for each in plan.between}
    assert shown == {
        Experiment("paper", "moon", "converged", "ffa-line"): ["y"],
        Experiment("paper", "moon", "epoch2", "ffa-line"): ["x"],
        Experiment("unseen", "moon", "converged", "ffa-line"): ["y"],
    }
    assert "transferability_between" not in plan.tables, "there are no other networks"


def test_files():
    plan = planned({"x": HARD})
    rules = rules_of(plan)
    assert rules["fine_tune"].files == [
        "results/networks/x/all/tuned.pt",
        "results/networks/x/all/tuning.csv",
        "results/networks/x/all/diet.parquet",
    ]
    assert not any("/x/" in file for file in rules["train_network"].files)
    assert inputs_of(plan.tables["fine_tuning"], rules)["tunings"] == ["results/networks/x/all/tuning.csv"]
    assert paths.SHARD_PREDICTIONS.of(network="x", shard="000") in rules["predict_network"].files


@pytest.mark.parametrize(
    "said", ["{made}", "./{made}", "{here}/{made}", "results/../results/dataset//label_doubt.parquet"]
)
def test_labels_that_the_run_itself_doubts(said):
    """Its table need not be there beforehand, and the rule that makes it is found however the path is written."""
    said = said.format(made=paths.LABEL_DOUBT, here=os.getcwd())  # noqa: PTH109 (as a shell expands it)
    plan = planned({"x": {**HARD, "doubts": said}})
    assert plan.networks["x"].settings.doubts == paths.LABEL_DOUBT
    assert not list(plan.settings.files_of_own())


def test_truth_of_drawn_faces_is_found_however_its_path_is_written():
    plan = planned({"x": {**HARD, "doubts": "./results/synthetic/mislabelled.csv"}})
    assert plan.networks["x"].settings.doubts in rules_of(plan)["synthesize_faces"].files


def test_doubts_of_another_run_must_be_there(tmp_path):
    file = tmp_path / paths.LABEL_DOUBT
    said = faults({"x": {**HARD, "doubts": str(file)}})
    assert said[0].strip().startswith(f"networks.x.doubts: {file}: no such file")
    file.parent.mkdir(parents=True)
    file.touch()
    assert planned({"x": {**HARD, "doubts": str(file)}}).networks["x"].settings.doubts == str(file)


def test_products_have_doubts_where_a_rule_makes_them():
    plan = planned({"x": HARD})
    rules = rules_of(plan)
    product = Product("A table", ("attempts", "doubts"), "some.module", "Labels")
    for jobs, more in (((), {}), (({},), {"doubts": paths.LABEL_DOUBT})):
        made = {"doubt_labels": Rule("doubt_labels", {"doubts": paths.LABEL_DOUBT}, jobs)}
        assert inputs_of(product, rules | made) == {"attempts": paths.ATTEMPTS} | more


def test_work():
    plan = planned({"x": {**HARD, "epochs": 2}, "y": {"from": "moon", "diet": "pgd", "share": 0.25}})
    estimate = Estimate.of(plan.settings)
    cost, images = estimate.costs["moon"], (1600 - 100) // 16 * 16
    validated = 300 * cost.forward
    assert estimate.multiply_adds()["fine-tuning"] == 2 * (images * cost.training + validated) + (
        images * (cost.training + 0.25 * 7 * cost.gradient) + validated
    )


def test_what_is_attacked_for_a_diet_counts_for_no_table():
    """Neither do those attacks decide which of the others is looked at closer."""
    plain = {"paper": {"euclidean": {"converged": ["fgs-line"], "epoch2": []}, "softmax": {"epoch2": []}}}
    without = planned({}, experiments=plain)
    fed = planned({"x": {"from": "euclidean", "diet": "hard", "attack": "ffa-iterative"}}, experiments=plain)
    assert Experiment("paper", "euclidean", "converged", "fgs-line") in without.transfers
    assert fed.transfers == without.transfers
    assert Experiment("paper", "euclidean", "converged", "fgs-line") in fed.between
    none = {"paper": {"euclidean": {"converged": [], "epoch2": []}}}
    assert (
        planned({"x": {**HARD, "from": "euclidean"}}, experiments=none).transfers
        == planned({}, experiments=none).transfers
    )


def test_titles_tell_networks_apart():
    plan = planned(
        {
            "x": HARD,
            "y": {**HARD, "from": "moon/converged"},
            "z": {**HARD, "from": "x", "diet": "natural"},
            "other": {"loss": "euclidean", "per": "all"},
            "w": {**HARD, "from": "other", "title": "Ours"},
        }
    )
    titles = {network.name: network.title for network in plan.tuned}
    assert titles == {"x": "MOON, hard", "y": "MOON, hard (y)", "z": "MOON, hard, natural", "w": "Ours"}


def test_the_sample_of_the_tables_is_no_diet_s():
    plan = planned(
        {"x": HARD},
        samples={"paper": None},
        experiments={"paper": None, "unseen": {"moon": {"converged": ["ffa-line"]}}},
    )
    assert next(iter(plan.settings.samples)) == "harden"
    assert plan.sample == "unseen"


def test_history_is_in_no_inventory():
    """It tells how long a fine-tuning took, which is not the same twice."""
    rules = rules_of(planned({"x": HARD}))
    listed = files_of_part(rules, "networks")["fine_tune"]
    assert listed == ["results/networks/x/all/tuned.pt", "results/networks/x/all/diet.parquet"]
    assert rules["collect_between"].jobs


def test_disk():
    """Beside its state a fine-tuning has the images that it learns from, as bytes."""
    one_a_job = {"compute": {"networks_per_job": 1}}
    plans = (planned({"x": each}, **one_a_job) for each in ({"from": "moon"}, HARD))
    alone, fed = (Estimate.of(plan.settings).unfinished_bytes() for plan in plans)
    of_moon = Estimate.of(planned({}).settings).costs["moon"].parameters
    assert alone == 4 * 7 * of_moon  # of MOON itself: two states, and three checkpoints
    assert fed == 4 * 6 * of_moon + 200 * 8 * 3 * 44 * 54
