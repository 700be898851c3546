"""What a configuration may say, and what is said of one that is wrong."""

import json
import math
import subprocess
import sys
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
from running import Workflow
from snakemake.utils import update_config
from typer.testing import CliRunner

from faceflip.analysis.tables.classification_error import OTHERS
from faceflip.attacks.options import AttackSettings, options_of
from faceflip.catalogue import ATTACKS, DIETS, LOSSES, find_attack
from faceflip.cli.app import app
from faceflip.data.celeba import ATTRIBUTES
from faceflip.data.synthetic import write_celeba
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.stages.job import Job
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.tuning import AdversaryOptions, TuningOptions
from faceflip.typed import Declared
from faceflip.workflow.duplicates import require_unique_keys
from faceflip.workflow.network_settings import INHERITED, NetworkSettings
from faceflip.workflow.plan import Plan
from faceflip.workflow.preflight import require_images
from faceflip.workflow.settings import OTHER_METHODS, ComputeSettings, Settings, merged, read_config

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "workflow/presets"
DEFAULT = read_config(ROOT)
BESIDE = {
    "paper-fast": ["paper"],
    "future-work": ["paper"],
    "future-work-drawn": ["future-work"],
    "reference": ["paper"],
    "reference-drawn": ["reference"],
}
"""Presets that are laid over others."""
EXAMPLES = {"samples": "paper", "networks": "moon", "attacks": "ffa-line"}
"""An entry of each list of named things that the default has."""
BESIDE_THEM = {"networks": {"tuned": {"from": "moon", "diet": "pgd"}}, "attacks": {name: {} for name in ATTACKS}}
"""Beside them a network that is fine-tuned, and every attack of ours, as some options are of those alone."""


def at(path, value):
    """A configuration that has this value at a dotted path, and nothing else."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def changed(*changes):
    """The default with the values at dotted paths replaced: (path, value) pairs."""
    config = DEFAULT
    for path, value in changes:
        config = merged(config, at(path, value))
    return config


def fault_of(config):
    """What is said of a faulty configuration."""
    with pytest.raises(UserError) as error:
        Settings.of(config)
    return str(error.value)


def groups(model=Settings, path=""):
    """Yield every group of options, with an example of its path."""
    yield path, model
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        group = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Declared)), None)
        if group:
            example = f".{EXAMPLES[name]}" if name in EXAMPLES else ""
            if name in ("tables", "figures"):
                continue  # the default has none
            yield from groups(group, f"{path}.{name}{example}".removeprefix("."))


def numbers():
    """Yield the path of every number in the configuration, or list of numbers, and whether it is a whole one."""
    for path, model in groups():
        for name, field in model.model_fields.items():
            kinds = str(field.annotation)
            if "int" in kinds or "float" in kinds:
                if path.startswith("attacks."):  # named by one that heeds it
                    heeding = [each for each in ATTACKS if name in options_of(find_attack(each))]
                    yield f"attacks.{heeding[0]}.{name}", field, "int" in kinds
                else:
                    of_tuned = model is AdversaryOptions or (
                        model is NetworkSettings and name in TuningOptions.model_fields
                    )
                    place = path.replace("networks.moon", "networks.tuned") if of_tuned else path
                    yield f"{place}.{name}".removeprefix("."), field, "int" in kinds


def value_at(settings, path):
    """The value at a dotted path."""
    for key in path.split("."):
        settings = settings[key] if isinstance(settings, dict) else getattr(settings, key)
    return settings


NUMBERS = {path: (field, whole) for path, field, whole in numbers()}


def test_the_default_is_valid():
    settings = Settings.of(DEFAULT)
    assert list(settings.networks) == ["euclidean", "softmax", "moon"]
    assert settings.networks["moon"].training.learning_rate == DEFAULT["training"]["learning_rate"]
    assert settings.networks["moon"].training.max_epochs == 14


@pytest.mark.parametrize("preset", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_presets_are_valid(preset):
    below = [PRESETS / f"{name}.yaml" for name in BESIDE.get(preset.stem, ())]
    Settings.of(read_config(ROOT, [*below, preset]))


def test_what_the_paper_left_for_later_goes_beside_its_preset():
    settings = Settings.of(read_config(ROOT, [PRESETS / "paper.yaml", PRESETS / "future-work.yaml"]))
    tuned = {name: network for name, network in settings.networks.items() if network.source}
    assert {network.diet for network in tuned.values()} == set(DIETS)
    assert all(network.seeds == [1, 2, 3] and network.source == "moon/converged" for network in tuned.values())
    assert all(network.architecture.differences(ArchitectureOptions()) == {} for network in tuned.values())
    assert settings.samples["paper"].images == settings.samples["harden"].images == 1000


@pytest.mark.parametrize(("below", "networks"), [("paper", 2), ("reference-drawn", 3)])
def test_reference_attacks_stand_beside_the_papers(below, networks):
    paper = Settings.of(read_config(ROOT, [PRESETS / "paper.yaml"] if below == "paper" else [])).experiments["paper"]
    settings = Settings.of(read_config(ROOT, [PRESETS / f"{name}.yaml" for name in ("paper", "reference")]))
    if below != "paper":
        settings = Settings.of(read_config(ROOT, [PRESETS / f"{name}.yaml" for name in ("reference", below)]))
    more = 0
    for network, checkpoints in settings.experiments["paper"].items():
        attacks = checkpoints["converged"]
        assert attacks[: len(paper[network]["converged"])] == paper[network]["converged"]
        more += len(attacks) > len(paper[network]["converged"])
    assert more == networks
    files = {attack.file for attack in settings.attacks.values() if attack.file}
    assert {"adv_lib.attacks:ddn", "adv_lib.attacks:fmn", "foolbox.attacks:L2DeepFoolAttack"} <= files


def test_the_fast_preset_changes_how_the_paper_is_computed_and_not_what():
    paper, fast = (
        Settings.of(read_config(ROOT, [PRESETS / f"{name}.yaml" for name in names]))
        for names in (["paper"], ["paper", "paper-fast"])
    )
    for network in fast.networks.values():
        changed = network.training.differences(TrainingOptions())
        assert changed == {"precision": ("bfloat16", "float32"), "compile": (True, False)}
    compute = {"batch_size", "networks_per_job"}
    same = {"training": ..., "networks": ..., "attacks": ..., "analysis": {"scan_images"}, "compute": compute}
    assert fast.model_dump(exclude=same) == paper.model_dump(exclude=same)
    assert fast.networks.keys() == paper.networks.keys()
    assert (paper.analysis.scan_images, fast.analysis.scan_images) == (100, 25)
    for name, attack in fast.attacks.items():
        same = {"search_precision"} if name.endswith("-line") else set()
        assert attack.model_dump(exclude=same) == paper.attacks[name].model_dump(exclude=same)
        assert attack.search_precision == ("tf32" if same else "float32")


def test_the_paper_preset_is_the_papers_scale():
    """And the defaults of the code are the paper's, so that neither repeats the other."""
    settings = Settings.of(read_config(ROOT, [PRESETS / "paper.yaml"]))
    assert settings.attacked == ATTRIBUTES
    assert settings.samples["paper"].images == 1000
    assert settings.samples["paper"].split == "train"
    assert settings.dataset.image_size is None
    for network in settings.networks.values():
        assert network.architecture.differences(ArchitectureOptions()) == {}
        assert network.training.differences(TrainingOptions()) == {}
    for attack in settings.attacks.values():
        assert attack.differences(AttackSettings()) == {}
    assert ArchitectureOptions().width == 1.0
    assert (TrainingOptions().batch_size, TrainingOptions().learning_rate) == (64, 1e-5)


def test_overlays_merge_as_snakemake_merges_them(tmp_path):
    overlays = ["networks: {moon: {training: {max_epochs: 3}}, euclidean: null}\nattributes: [Smiling]\n"]
    overlays.append("networks: {moon: {title: null}}\ncompute: {threads: {pack: 4}}\nsynthetic: null\n")
    expected, files = read_config(ROOT), []
    for number, text in enumerate(overlays):
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_text(text)
        update_config(expected, read_config_alone(files[-1]))
    assert read_config(ROOT, files) == expected


def read_config_alone(path):
    """The content of one file."""
    (folder := path.with_suffix("")).mkdir()
    (folder / "config.yaml").write_text(path.read_text())
    return read_config(folder)


@pytest.mark.parametrize("path", [path for path, _ in groups()])
def test_unknown_keys_are_refused_everywhere(path):
    for value in (3, None, {"a": 1}):
        key = f"{path}.unheard_of".removeprefix(".")
        assert f"{key}: unknown key" in fault_of(changed((key, value)))


def test_null_takes_the_default():
    names = [name for name in Settings.model_fields if name not in ("samples", "networks", "attacks", "experiments")]
    settings = Settings.of({**DEFAULT, **dict.fromkeys(names)})
    assert settings.training == TrainingOptions()
    assert settings.architecture == ArchitectureOptions()
    assert settings.attacked == ATTRIBUTES
    assert settings.compute == Settings().compute
    assert settings.networks["moon"].training == TrainingOptions(max_epochs=14)
    inherited = Settings.of(changed(("networks.moon.training", None), ("networks.moon.title", None)))
    assert inherited.networks["moon"].training == inherited.training
    assert Plan(inherited).networks["moon"].title == "one network, Euclidean loss"


def test_null_removes_an_entry_and_its_experiments():
    settings = Settings.of(changed(("networks.softmax", None), ("attacks.fgs-line", None)))
    assert list(settings.networks) == ["euclidean", "moon"]
    assert list(settings.attacks) == ["fgs-iterative", "ffa-line", "ffa-iterative"]
    assert settings.experiments == {
        "paper": {
            "euclidean": {"converged": ["fgs-iterative", "ffa-line", "ffa-iterative"], "epoch2": ["ffa-line"]},
            "moon": {"converged": ["ffa-line", "ffa-iterative"]},
        }
    }
    assert Settings.of({**DEFAULT, "attacks": None}).experiments["paper"]["moon"] == {"converged": []}
    other = Settings.of(changed(("samples", {"paper": None, "few": {"images": 3}})))
    assert other.experiments == {}
    assert Plan(other).sample == "few"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("traning", {}, "traning: unknown key; did you mean training?"),
        ("training.bach_size", 3, "training.bach_size: unknown key; did you mean batch_size?"),
        ("networks.moon.training.bach_size", 3, "networks.moon.training.bach_size: unknown key; did you mean batch_"),
        ("networks.moon.los", "bce", "networks.moon.los: unknown key; did you mean loss?"),
        ("compute.threads.pakc", 3, "compute.threads.pakc: unknown key; did you mean pack?"),
        ("attacks.ffa-lime", {}, "attacks.ffa-lime: there is no attack 'ffa-lime'; did you mean ffa-line"),
        ("attacks.fgs-line.max_steps", 3, "attacks.fgs-line.max_steps: unknown key"),
        (
            "attacks.ffa-iterative.search_precision",
            "tf32",
            "attacks.ffa-iterative.search_precision: unknown key of this attack, which heeds direction, ffa_crossed, ",
        ),
        ("attacks.ffa-line.max_epsilom", 3, "attacks.ffa-line.max_epsilom: unknown key; did you mean max_epsilon?"),
        ("attacks.ffa-line.search", "doubled", "attacks.ffa-line: there is no search 'doubled'; did you mean doubling"),
        ("attacks.ffa-line.search", "iterative", "attacks.ffa-line: search: iterative is no line search, as ffa-line"),
        ("attacks.mine", {"direction": "ffa"}, "attacks.mine: attack 'mine' also needs the option search"),
        ("attacks.mine", {"direction": "no.py:D", "search": "scan"}, "attacks.mine.direction: no.py: no such file"),
        (
            "attacks.ffa",
            {"direction": "ffa", "search": "doubling"},
            "attacks.ffa: tables call it ffa by line, as they do ffa-line; call it otherwise",
        ),
        (
            "networks.facetracer",
            {"loss": "bce"},
            "networks.facetracer: tables have another method facetrac",
        ),
        (
            "networks.moon_epoch2",
            {"loss": "bce"},
            "networks.moon_epoch2: tables have another method moon_epoch2; call it otherwise",
        ),
        ("seed", "7", "seed: expected a whole number, found '7' (from the command line"),
        ("seed", True, "seed: expected a whole number, found True"),
        ("seed", 2**63, "seed: expected a number up to 9223372036854775807, found 9223372036854775808"),
        (
            "training.learning_rate",
            "1e-5",
            "training.learning_rate: expected a number, found '1e-5' (text in YAML: write 1.0e-5)",
        ),
        ("architecture.width", "2e30", "architecture.width: expected a number, found '2e30' (text in YAML: write 2.0"),
        ("samples.paper.images", "1e3", "samples.paper.images: expected a whole number, found '1e3' (text in YAML: wr"),
        ("architecture.width", "wide", "architecture.width: expected a number, found 'wide' (from the command line"),
        ("architecture.dropout", 1.0, "architecture.dropout: expected a number below 1.0, found 1.0"),
        ("architecture.name", "resnet18", "architecture.name: there is no architecture 'resnet18'"),
        ("architecture.name", "tv/resnet18", "architecture.name: there is no collection of architectures 'tv'"),
        ("networks.moon.architecture", "vgg16", "networks.moon.architecture: expected a mapping of keys to values, f"),
        ("networks.moon.training", 3, "networks.moon.training: expected a mapping of keys to values, found 3"),
        ("networks.x", {}, "networks.x.loss: missing"),
        ("networks.x", {"loss": "bse"}, "networks.x.loss: there is no loss 'bse'; did you mean bce?"),
        ("networks.x", {"loss": "no.py:Loss"}, "networks.x.loss: no.py: no such file; paths are seen from"),
        ("networks.x", {"loss": "bce", "per": "al"}, "networks.x.per: 'al' is none of attribute, all; did you mean al"),
        ("networks.x", {"loss": "bce", "title": "MOON"}, "networks.x.title: 'MOON' is the title of moon already"),
        ("networks.x", {"loss": "bce", "attributes": ["Bold"]}, "networks.x.attributes[0]: 'Bold' is not an attribute"),
        ("networks", {"a/b": {"loss": "bce"}}, "networks.a/b: a name begins with a letter and has letters, digits"),
        ("networks", {3: {"loss": "bce"}}, "networks: the key 3 is no text; put it into quotes"),
        ("networks.moon", {3: 3}, "networks.moon: the key 3 is no text; put it into quotes"),
        ("networks", None, "networks: there is none; name one, such as moon: {loss: euclidean, per: all}"),
        ("samples", None, "samples: there is none; name one, such as paper: {images: 100}"),
        ("samples.paper", 3, "samples.paper: expected a mapping of keys to values, found 3"),
        ("samples.paper.split", "training", "samples.paper.split: 'training' is none of train, validation, test; did"),
        ("samples.paper.images", 10**6, "samples.paper.images: 1000000 is more than synthetic.train, 1600"),
        ("compute.device", "gpu", "compute.device: 'gpu' is none of auto, cpu, cuda"),
        ("dataset.image_size", [44, 2000], "dataset.image_size[1]: expected a number up to 1024, found 2000"),
        ("dataset.image_size", [44], "dataset.image_size: [44] is too short, expected 2 entries"),
        ("dataset.celeba", 3, "dataset.celeba: expected text, found 3"),
        (
            "dataset.subset",
            True,
            "dataset.subset: is about CelebA or a table of your own",
        ),
        ("dataset.split_shares", [0.9, 0.1], "dataset.split_shares: [0.9, 0.1] is too short, expected 3 entries"),
        ("dataset.split_shares", [0.8, 0.2, 0], "dataset.split_shares: expected three shares above 0 that add up to 1"),
        ("attributes", ["Smilling"], "attributes[0]: 'Smilling' is not an attribute of CelebA; did you mean Smiling?"),
        ("attributes", "al", "attributes: expected `all` or a list of names, found 'al'"),
        ("attributes", [3], "attributes: expected `all` or a list of names, found [3]"),
        ("attributes", [], "attributes: the list is empty"),
        ("analysis.tables", "none", "analysis.tables: expected `all` or a list of names, found 'none'"),
        ("analysis.tables", ["sucess"], "analysis.tables: 'sucess' is none of classification_error, flippability"),
        ("analysis.figures", ["sucess"], "fine_tuning_faces; did you mean success?"),
        ("attributes", ["Male", "Male"], "attributes: ['Male', 'Male'] names one twice"),
        ("experiments", {"papre": {}}, "experiments.papre: there is no sample 'papre'; did you mean paper?"),
        ("experiments.paper", {"mon": {}}, "experiments.paper.mon: there is no network 'mon'; did you mean moon?"),
        (
            "experiments.paper.moon.epoch3",
            ["ffa-line"],
            "experiments.paper.moon.epoch3: moon keeps no such checkpoint, it has epoch2, converged (see training",
        ),
        ("experiments.paper.moon.converged", ["ffa"], "experiments.paper.moon.converged[0]: 'ffa' is none of fgs-line"),
        ("experiments.paper.moon.converged", [["ffa"]], "experiments.paper.moon.converged[0]: expected text, found ['"),
        ("experiments.paper.moon.converged", [None], "experiments.paper.moon.converged[0]: expected text, found None"),
        ("experiments.paper.moon.converged", "ffa-line", "experiments.paper.moon.converged: expected a list, found"),
        ("experiments.paper.moon.converged", ["ffa-line"] * 2, "names an attack twice"),
        (
            "experiments.paper.moon.converged",
            ["fgs-line"],
            "experiments.paper.moon.converged: fgs-line raises the loss of all attributes of the network and cannot "
            "pick one; use another attack, or attacks.fgs-line: {fgs_scope: attribute}",
        ),
        ("networks.moon.training.max_epochs", 1, "networks.moon.training.max_epochs: 1 is less than min_epochs, 2"),
        ("training.max_epochs", 1, "training.max_epochs: 1 is less than min_epochs, 2"),
        ("training.checkpoints", [2, 6], "training.max_epochs: 5 is less than the last of checkpoints, 6"),
        ("training.checkpoints", [2, 2], "training.checkpoints: [2, 2] names an epoch twice"),
        ("networks.moon.training.checkpoints", [3], "networks.moon.training.checkpoints: all networks keep the same"),
        ("training.batch_size", 60_000, "networks.moon.training.batch_size: 60000 is more than synthetic.train, 1600"),
        ("analysis.threshold", 0.5, "analysis.threshold: 0.5 must be one of analysis.thresholds"),
        ("analysis.thresholds", [0.95, 0.95], "analysis.thresholds: [0.95, 0.95] names one twice"),
        ("similarity.metrics.lpips", "lpips", "similarity.metrics.lpips: expected FILE.py:FUNCTION, found 'lpips'"),
        ("tables.mine", {"file": "t.py", "title": "T", "inputs": ["attempts"]}, "tables.mine.file: t.py: no such file"),
        ("tables.mine", {"file": "t.py", "title": "T", "inputs": ["atempts"]}, "tables.mine.inputs[0]: 'atempts' is n"),
        ("figures.success", {"file": "f.py", "title": "F", "inputs": ["success"]}, "figures.success: there is one of"),
    ],
)
def test_faults(path, value, message):
    assert message in fault_of(changed((path, value)))


def test_methods_beside_networks_are_those_of_the_table():
    assert set(OTHERS) == OTHER_METHODS


def test_a_key_of_the_whole_that_is_no_text():
    assert "the key 3 is no text; put it into quotes" in fault_of({**DEFAULT, 3: {}})


def test_all_faults_are_told_at_once():
    faults = fault_of(
        changed(
            ("seed", -1),
            ("samples.paper.imags", 3),
            ("networks.x", {"per": "all"}),
            ("networks.moon.training.gamma", "high"),
            ("training.power", -3),
            ("attacks.ffa-line.max_epsilon", 0),
            ("experiments.paper.moon.converged", 3),
        )
    ).splitlines()
    expected = (
        "seed: expected a number from 0 on, found -1",
        "samples.paper.imags: unknown key; did you mean images?",
        "networks.x.loss: missing",
        "networks.moon.training.gamma: expected a number, found 'high'",
        "training.power: expected a number from 0.0 on, found -3",
        "attacks.ffa-line.max_epsilon: expected a number from 1.0 on, found 0",
        "experiments.paper.moon.converged: expected a list, found 3",
    )
    assert faults[0].startswith("the configuration has faults")
    assert len(faults) == 1 + len(expected), "what networks inherit is told once"
    for message in expected:
        assert any(fault.strip().startswith(message) for fault in faults), message


def test_contradictions_are_told_at_once():
    faults = fault_of(
        changed(
            ("attributes", ["Smilling", "Male"]),
            ("attacks.ffa-line.search", "scna"),
            ("analysis.threshold", 0.5),
            ("experiments.paper.nobody", {}),
            ("samples.9", {"images": 10**6}),
        )
    )
    for start in ("attributes[0]: ", "attacks.ffa-line: ", "analysis.threshold: ", "experiments.paper.nobody: "):
        assert f"\n  {start}" in faults
    assert "samples.9: a name begins with a letter" in faults
    assert "samples.9.images: 1000000 is more" in faults


@pytest.mark.parametrize("value", [-1, 0, 1.0, 1e18, "abc", None, [], {}, math.nan, math.inf, True], ids=repr)
@pytest.mark.parametrize("path", NUMBERS)
def test_every_number_is_taken_as_it_is_or_refused_by_the_name_of_its_key(path, value):
    field, whole = NUMBERS[path]
    default = field.get_default(call_default_factory=True)
    settings = fault = None
    try:
        settings = Settings.of(merged(changed((path, value)), merged(BESIDE_THEM, at(path, value))))
    except UserError as error:
        fault = str(error)
    if fault:
        assert value is not None, "null takes the default"
        assert path in fault
        return
    taken = value_at(settings, path)
    if value is None:
        inherited = path.removeprefix("networks.moon.")
        assert taken == (value_at(settings, inherited) if inherited.startswith(INHERITED) else default)
    elif isinstance(default, list) or path == "dataset.image_size":
        assert value == taken == []
    else:
        assert type(taken) in ((int,) if whole else (int, float))
        assert taken == value
        assert math.isfinite(taken)
        assert 0 <= taken < 1e18


def test_numbers_in_lists():
    for path, index in (("dataset.image_size", 1), ("architecture.input_mean", 2), ("analysis.thresholds", 3)):
        given = [44, 54] if path == "dataset.image_size" else list(value_at(Settings(), path))
        for value in (1e18, "abc", None, [], math.nan, math.inf, True):
            assert f"{path}[{index}]: expected a" in fault_of(changed((path, [*given[:index], value])))
    for value in (-1, 0, 1.0, 1e18, "abc", None, [], math.nan, math.inf, True):
        assert "training.checkpoints[0]: expected a" in fault_of(changed(("training.checkpoints", [value])))


def test_all_numbers_were_found():
    assert {"seed", "training.max_epochs", "networks.moon.training.max_epochs", "compute.threads.pack"} <= set(NUMBERS)
    assert {"attacks.fgs-iterative.max_steps", "architecture.input_mean", "analysis.thresholds"} <= set(NUMBERS)
    assert {"synthetic.seed", "samples.paper.seed", "networks.moon.training.seed"} <= set(NUMBERS)
    assert len(NUMBERS) > 45


def test_numbers_keep_their_kind():
    """1 may stand for 1.0, but 1.0 for no whole number."""
    assert Settings.of(changed(("architecture.width", 1))).architecture.width == 1
    assert "samples.paper.images: expected a whole number, found 1.0" in fault_of(
        changed(("samples.paper.images", 1.0))
    )


def test_keys_that_stand_twice(tmp_path):
    """All of all files at once, in mappings at every depth; the same key in two mappings is no fault."""
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("seed: 1\ntraining: {gamma: 1.0}\nnetworks: {moon: {training: {gamma: 1.0}}}\n'seed': 2\n")
    second.write_text('{"samples": {"paper": {"images": 3, "seed": 1, "images": 4}}, "tables": [{"a": 1, "a": 1}]}')
    with pytest.raises(UserError) as error:
        read_config(ROOT, [first, second])
    assert str(error.value).splitlines()[1:] == [
        f"  {first}: seed, lines 1 and 4",
        f"  {second}: samples.paper.images, lines 1 and 1",
        f"  {second}: tables[0].a, lines 1 and 1",
    ]
    first.write_text("a: &a {b: 1}\nc: *a\nd: {<<: *a, b: 2}\ne: [*a, *a]\n")
    require_unique_keys([first])


@pytest.mark.slow
def test_snakemake_refuses_keys_that_stand_twice(tmp_path):
    (tmp_path / "mine.yaml").write_text("seed: 1\nseed: 2\n")
    said = Workflow(tmp_path, [tmp_path / "mine.yaml"]).said("--cores", 1, "--dry-run", check=False)
    assert "mine.yaml: seed, lines 1 and 2" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_samples_and_batches_that_a_celeba_is_too_small_for(tmp_path):
    """Told before any job, from its labels alone."""
    write_celeba(tmp_path / "drawn", train=5, validation=1, test=1, seed=1)
    overlay = {"dataset": {"celeba": str(tmp_path / "drawn")}, "samples": {"paper": {"images": 6}}}
    overlay |= {"training": {"batch_size": 5}, "networks": {"moon": {"training": {"batch_size": 8}}}}
    there = f"the images of the train split in {tmp_path / 'drawn'}, 5"
    with pytest.raises(UserError) as error:
        require_images(Settings.of(merged(DEFAULT, overlay)))
    assert str(error.value).splitlines() == [
        f"samples.paper.images: 6 is more than {there}",
        f"networks.moon.training.batch_size: 8 is more than {there}",
    ]
    (tmp_path / "mine.yaml").write_text(json.dumps(overlay))
    said = Workflow(tmp_path, [tmp_path / "mine.yaml"]).said("--cores", 1, check=False)
    assert f"samples.paper.images: 6 is more than {there}" in said
    assert "Traceback" not in said
    assert not (tmp_path / "results").exists()
    plan = CliRunner().invoke(app, ["plan", "--project", str(ROOT), "--configfile", str(tmp_path / "mine.yaml")])
    assert f"Note: a run would be refused: samples.paper.images: 6 is more than {there}\n" in plan.stderr
    overlay["samples"]["paper"]["images"] = overlay["networks"]["moon"]["training"]["batch_size"] = 5
    settings = Settings.of(merged(DEFAULT, overlay))
    require_images(settings)
    (fault,) = settings.faults_of_sizes({"train": 5, "validation": 0, "test": 1})
    assert "has no images of the validation split, which every run needs; dataset.split_shares makes" in fault


@pytest.mark.parametrize("compute", [None, {"threads": {"train": None}, "save_every": None}, {"threads": None}])
def test_jobs_read_the_configuration_as_the_snakefile_does(compute):
    """Null takes the default there, too, at every depth."""
    run = Job(SimpleNamespace(config=merged(DEFAULT, {"compute": compute})), sys.stderr)
    assert run.compute.threads.train == ComputeSettings().threads.train
    assert run.compute.save_every == ComputeSettings().save_every


SIX = {f"{loss}-{per}": {"loss": loss, "per": per} for loss, per in product(LOSSES, ("attribute", "all"))}


def of_networks(networks, experiments, **more):
    """The default with these networks and experiments alone."""
    removed = dict.fromkeys(DEFAULT["networks"])
    return merged(DEFAULT, {"networks": {**removed, **networks}, "experiments": {"paper": experiments}, **more})


def test_six_kinds_of_networks():
    attacks = ["fgs-line", "fgs-iterative", "ffa-line", "ffa-iterative"]
    experiments = {name: {"converged": attacks, "epoch2": ["ffa-line"]} for name in SIX}
    scoped = {name: {"fgs_scope": "attribute"} for name in attacks if name.startswith("fgs")}
    plan = Plan(Settings.of(of_networks(SIX, experiments, attacks=scoped)))
    assert len(plan.experiments) == 6 * 5
    for what in ("title", "short", "color"):
        assert len({getattr(network, what) for network in plan.networks.values()}) == 6
    for name, network in plan.networks.items():
        assert network.joint == name.endswith("-all")
        assert network.members == (("all",) if network.joint else plan.settings.attacked)
        assert network.attributes == (ATTRIBUTES if network.joint else plan.settings.attacked)
        assert network.attacked == plan.settings.attacked
    faults = fault_of(of_networks(SIX, experiments))
    assert faults.count("{fgs_scope: attribute}") == 6


@pytest.mark.parametrize("name", SIX)
def test_one_network_alone(name):
    plan = Plan(Settings.of(of_networks({name: SIX[name]}, {name: {"converged": ["ffa-line"]}})))
    assert [str(each) for each in plan.experiments] == [f"paper/{name}/converged/ffa-line"]
    assert plan.transfers == plan.scanned == plan.experiments


def test_a_network_of_other_attributes():
    """What it decides on need not be attacked; what is attacked of it keeps the order of the attempts."""
    networks = {"mine": {"loss": "bce", "per": "all", "attributes": ["Young", "Smiling", "Bangs"]}}
    plan = Plan(Settings.of(of_networks(networks, {"mine": {"converged": ["ffa-line"]}})))
    assert plan.networks["mine"].attacked == ("Bangs", "Smiling")
    networks["mine"]["attributes"] = ["Young"]
    assert Plan(Settings.of(of_networks(networks, {"mine": {"converged": ["ffa-line"]}}))).experiments == ()


def test_an_attack_of_ones_own_has_the_options_of_its_parts(tmp_path):
    file = tmp_path / "up.py"
    file.write_text("")
    mine = {"direction": f"{file}:Up", "search": "doubling", "max_epsilon": 9}
    settings = Settings.of(changed(("attacks.up-line", mine), ("experiments.paper.moon.epoch2", ["up-line"])))
    assert settings.attacks["up-line"].max_epsilon == 9
    assert list(settings.files_of_own()) == [("attacks.up-line.direction", str(file))]
    told = fault_of(changed(("attacks.up-line", {**mine, "max_epsilom": 9})))
    assert "attacks.up-line.max_epsilom: unknown key; did you mean max_epsilon?" in told


@pytest.mark.parametrize("module", ["settings", "plan", "jobs", "products", "migration"])
def test_the_configuration_is_read_without_heavy_imports(module):
    heavy = {"torch", "torchvision", "pandas", "numpy", "numba", "cv2", "matplotlib", "h5py", "scipy", "PIL"}
    code = f"import sys; import faceflip.workflow.{module}; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "scripts")
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize(
    ("doubt", "sizes", "fault"),
    [
        ({"folds": 3, "training": {"batch_size": 66}}, (60, 20, 20), None),
        (
            {"folds": 3, "training": {"batch_size": 67}},
            (60, 20, 20),
            "doubt.training.batch_size: 67 is more than the images without those of a fold, 66",
        ),
        ({"folds": 9, "training": {"batch_size": 1}}, (6, 1, 1), "doubt.folds: 9 is more than all images, 8"),
        ({"folds": 0, "training": {"batch_size": 60_000}}, (6, 1, 1), None),
    ],
)
def test_batches_that_the_images_without_a_fold_are_too_few_for(doubt, sizes, fault):
    few = {"samples": {"paper": {"images": 1}}, "training": {"batch_size": 1}, "doubt": doubt}
    settings = Settings.of(merged(DEFAULT, few))
    found = list(settings.faults_of_sizes(dict(zip(("train", "validation", "test"), sizes, strict=True))))
    assert found == ([fault] if fault else [])
