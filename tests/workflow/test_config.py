from pathlib import Path

import pytest
import torchvision
import yaml

from faceflip.attack_names import ATTACK_NAMES
from faceflip.attacks import ATTACKS
from faceflip.data.celeba import ATTRIBUTES
from faceflip.errors import UserError
from faceflip.networks.architectures import ARCHITECTURE_NAMES
from faceflip.training import TrainingOptions
from faceflip.workflow.config import attributes_of, validate

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"


def default():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def merged(base, overlay):
    """Merge as Snakemake merges --configfile."""
    if not (isinstance(base, dict) and isinstance(overlay, dict)):
        return overlay
    return {key: merged(base.get(key), overlay[key]) if key in overlay else base[key] for key in base | overlay}


def changed(path, value):
    """The default with the value at a dotted path replaced."""
    *parents, last = path.split(".")
    overlay = {last: value}
    for key in reversed(parents):
        overlay = {key: overlay}
    return merged(default(), overlay)


def test_the_default_is_valid():
    validate(default(), SCHEMA)


@pytest.mark.parametrize("preset", sorted((ROOT / "workflow/presets").glob("*.yaml")), ids=lambda path: path.stem)
def test_presets_are_valid(preset):
    validate(merged(default(), yaml.safe_load(preset.read_text())), SCHEMA)


def test_the_paper_preset_is_the_papers_scale():
    config = merged(default(), yaml.safe_load((ROOT / "workflow/presets/paper.yaml").read_text()))
    assert attributes_of(config) == ATTRIBUTES
    assert config["sample"]["images"] == 1000
    assert config["dataset"]["image_size"] is None
    assert config["network"]["width"] == 1.0
    for options in config["training"].values():
        assert TrainingOptions(**options) == TrainingOptions(), "the defaults of the code are the paper's"


def objects(schema, path=""):
    """Yield every mapping of the schema with its path."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield path, schema
        for key, value in schema.items():
            yield from objects(value, f"{path}/{key}")


def test_unknown_keys_are_refused_everywhere():
    found = list(objects(yaml.safe_load(SCHEMA.read_text())))
    assert len(found) > 15
    for path, schema in found:
        other_attacks = {"$ref": "#/$defs/attack"}  # whose names the code checks, and whose options have defaults
        assert schema["additionalProperties"] == (other_attacks if path == "/properties/attacks" else False), path
        if path != "/$defs/attack":
            assert set(schema["required"]) == set(schema["properties"]), f"{path}: config.yaml is complete"


def test_the_names_that_need_no_pytorch_are_those_of_the_registry():
    assert list(ATTACK_NAMES) == list(ATTACKS)


def test_the_architectures_are_those_of_torchvision():
    assert sorted(ARCHITECTURE_NAMES) == torchvision.models.list_models(module=torchvision.models)


def test_attacks_beside_those_of_the_paper(monkeypatch):
    """Need options, of which each has a default, and no other entry in the schema."""
    monkeypatch.setattr("faceflip.workflow.config.ATTACK_NAMES", {**ATTACK_NAMES, "sffa-line": ""})
    config = merged(
        changed("attacks.sffa-line", {"max_epsilon": 9}), {"experiments": {"moon": {"epoch2": ["sffa-line"]}}}
    )
    validate(config, SCHEMA)
    config["attacks"]["sffa-line"]["max_epsilom"] = 9
    with pytest.raises(UserError, match=r"attacks\.sffa-line\.max_epsilom: unknown key; did you mean max_epsilon\?"):
        validate(config, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("traning", {}, "traning: unknown key; did you mean training?"),
        ("training.separate.bach_size", 3, "training.separate.bach_size: unknown key; did you mean batch_size?"),
        ("attacks.ffa-lime", {}, "attacks.ffa-lime: there is no such attack; did you mean ffa-line?"),
        (
            "experiments.moon.converged",
            ["moon-line"],
            "'moon-line' is none of fgs-line, fgs-iterative, ffa-line, ffa-iter",
        ),
        ("attacks.fgs-line.max_steps", 3, "attacks.fgs-line.max_steps: unknown key"),
        ("seed", "7", "seed: expected integer, found '7' (from the command line"),
        (
            "training.separate.learning_rate",
            "1e-5",
            "training.separate.learning_rate: expected number, found '1e-5' (a string in YAML: write 1.0e-5)",
        ),
        (
            "network.architecture",
            "resnet1",
            "network.architecture: there is no network 'resnet1'; did you mean resnet1",
        ),
        ("network.architecture", "fcn_resnet50", "network.architecture: there is no network 'fcn_resnet50'; did you"),
        ("network.width", "2e30", "network.width: expected number, found '2e30' (a string in YAML: write 2.0e+30)"),
        ("sample.images", "1e3", "sample.images: expected integer, found '1e3' (a string in YAML: write 1000)"),
        ("network.width", "wide", "network.width: expected number, found 'wide' (from the command line"),
        ("compute.device", "gpu", "compute.device: 'gpu' is none of auto, cpu, cuda"),
        ("dataset.image_size", [44, 2000], "dataset.image_size[1]: 2000 is greater than the maximum of 1024"),
        ("attributes", ["Smilling"], "attributes[0]: 'Smilling' is not an attribute of CelebA; did you mean Smiling?"),
        ("attributes", "al", "attributes: expected `all` or a list of attributes, found 'al'"),
        ("attributes", ["Male", "Male"], "attributes: ['Male', 'Male'] has non-unique elements"),
        (
            "attacks.ffa-line.search",
            "doubled",
            "attacks.ffa-line.search: 'doubled' is none of doubling, scan; did you mean doubling?",
        ),
        ("experiments.moon.converged", ["fgs-line"], "experiments.moon.converged: fgs-line cannot pick one of MOON's"),
        ("experiments.moon.converged", ["ffa"], "experiments.moon.converged[0]: 'ffa' is none of"),
        ("dataset.image_size", [44], "dataset.image_size: [44] is too short"),
        ("network.dropout", 1.0, "network.dropout: 1.0 is greater than or equal to the maximum of 1"),
        ("sample.images", 10**6, "sample.images: 1000000 is more than synthetic.train"),
        ("training.moon.max_epochs", 1, "training.moon.max_epochs: 1 is less than early_epoch, 2"),
        ("training.separate.batch_size", 10**6, "training.separate.batch_size: 1000000 is more than synthetic.train"),
        ("analysis.threshold", 0.5, "analysis.threshold: 0.5 must be one of analysis.thresholds"),
        ("dataset.celeba", 3, "dataset.celeba: expected string or null, found 3"),
    ],
)
def test_faults(path, value, message):
    with pytest.raises(UserError) as error:
        validate(changed(path, value), SCHEMA)
    assert message in str(error.value)


def test_all_faults_are_told_at_once():
    config = changed("seed", -1)
    config["sample"]["imags"] = 3
    del config["sample"]["images"], config["network"]["width"]
    with pytest.raises(UserError) as error:
        validate(config, SCHEMA)
    for message in (
        "seed: -1",
        "sample.imags: unknown key; did you mean images?",
        "sample.images: missing",
        "network.width: missing",
    ):
        assert message in str(error.value)
