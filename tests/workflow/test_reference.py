"""The files written from the declarations are those of the code, and the schema takes what the workflow takes."""

import re

import pytest
import yaml
from code_blocks import blocks
from jsonschema import Draft202012Validator
from running import ROOT

import reference
from editor_schema import config_schema
from faceflip.errors import UserError
from faceflip.workflow.settings import Settings, merged
from reference import BLOCKS, PAGE, SCHEMA, main, page_text

VALIDATOR = Draft202012Validator(config_schema())
PAGE_TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
SNIPPETS = [yaml.safe_load(text) for text in blocks(ROOT / "docs/guides/configure.md", "yaml")]
OVERLAYS = [
    ROOT / "config.yaml",
    *sorted((ROOT / "workflow/presets").glob("*.yaml")),
    ROOT / "tests/workflow/tiny.yaml",
    ROOT / "tests/robustness/micro.yaml",
]


def default():
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def faults(config):
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(config)]


def test_nothing_is_stale(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_check_names_what_is_stale_and_leaves_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for path, text in ((SCHEMA, "{}"), (PAGE, PAGE_TEXT.replace("Caffe's `base_lr`", "changed by hand"))):
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    assert main(["--check"]) == 1
    said = capsys.readouterr().err
    assert str(SCHEMA) in said
    assert str(PAGE) in said
    assert SCHEMA.read_text() == "{}"
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert PAGE.read_text(encoding="utf-8") == PAGE_TEXT


def test_run_in_another_folder_it_says_where_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    assert "run this in the folder of the Snakefile" in capsys.readouterr().err


def test_a_page_that_lacks_a_part_is_refused():
    with pytest.raises(UserError, match=r"expected keys, .* each once between"):
        page_text(PAGE_TEXT.replace("<!-- end losses -->", ""))


def test_text_between_the_parts_stays():
    assert "is said of keys that have no default" in page_text(PAGE_TEXT)
    assert list(BLOCKS) == re.findall(r"<!-- begin ([\w ]+) -->", PAGE_TEXT)


def test_prose_wraps_at_120():
    assert [line for line in PAGE_TEXT.splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_every_link_within_the_page_leads_somewhere():
    headings = re.findall(r"^#+ (.*)$", PAGE_TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert len(anchors) == len(headings), "no two headings are alike"
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE_TEXT)) <= anchors


@pytest.mark.parametrize("overlay", SNIPPETS, ids=lambda overlay: "-".join(overlay or ["nothing"]))
def test_the_examples_of_the_guide_can_be_run(overlay):
    Settings.of(merged(default(), overlay or {}))
    assert faults(overlay or {}) == []


def test_it_is_a_schema():
    Draft202012Validator.check_schema(config_schema())
    line = (ROOT / "config.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert line == f"# yaml-language-server: $schema={SCHEMA}"


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_what_is_run_is_valid(path):
    assert faults(yaml.safe_load(path.read_text(encoding="utf-8"))) == []


def test_what_comes_out_of_the_settings_is_valid():
    """Null included, which stands for what has no value."""
    settings = Settings.of(default()).model_dump(by_alias=True)
    assert faults(settings) == []


def groups():
    """Yield a path to each group of options, with names made up where users give them."""
    schema = config_schema()

    def walk(each, path):
        if "$ref" in each:
            each = schema["$defs"][each["$ref"].rpartition("/")[2]]
        if "object" not in each.get("type", ()):
            return
        yield path, each
        for key, other in each.get("properties", {}).items():
            yield from walk(other, (*path, key))
        if isinstance(each.get("additionalProperties"), dict):
            name = "converged" if path[:1] == ("experiments",) and len(path) == 3 else "anything"
            yield from walk(each["additionalProperties"], (*path, name))

    yield from walk({word: each for word, each in schema.items() if word != "$defs"}, ())


def nested(path, value):
    for key in reversed(path):
        value = {key: value}
    return value


GROUPS = dict(groups())


def test_groups_are_found_at_every_level():
    for path in ((), ("compute", "threads"), ("networks", "anything", "training"), ("attacks", "ffa-line")):
        assert path in GROUPS


@pytest.mark.parametrize("path", GROUPS, ids=".".join)
def test_unknown_keys_are_refused(path):
    group = GROUPS[path]
    if group["additionalProperties"] is False:
        assert faults(nested(path, {"unknown": 1}))
    elif path[-1] not in ("options", "metrics"):
        assert "additionalProperties" in group["additionalProperties"] or "propertyNames" in group


@pytest.mark.parametrize("path", GROUPS, ids=".".join)
def test_every_key_may_be_null_or_missing(path):
    assert faults(nested(path, {})) == []
    assert faults(nested(path, None) if path else {}) == []
    for key in GROUPS[path].get("properties", {}):
        assert faults(nested((*path, key), None)) == []
    if isinstance(GROUPS[path]["additionalProperties"], dict):
        name = "converged" if path[:1] == ("experiments",) else "removed"
        assert faults(nested((*path, name), None)) == []


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"seed": -1}, "$.seed"),
        ({"seed": "7"}, "$.seed"),
        ({"dataset": {"image_size": [44]}}, "$.dataset.image_size"),
        ({"architecture": {"dropout": 1.0}}, "$.architecture.dropout"),
        ({"architecture": {"name": "resnet18"}}, "$.architecture.name"),
        ({"networks": {"mine": {"loss": "euclidian"}}}, "$.networks.mine.loss"),
        ({"networks": {"my net": {"loss": "bce"}}}, "$.networks"),
        ({"networks": {"mine": {"training": {"max_epoch": 3}}}}, "$.networks.mine.training"),
        ({"attacks": {"ffa-line": {"search": "doubled"}}}, "$.attacks['ffa-line'].search"),
        ({"experiments": {"paper": {"moon": {"early": ["ffa-line"]}}}}, "$.experiments.paper.moon"),
        ({"experiments": {"paper": {"moon": {"converged": "ffa-line"}}}}, "$.experiments.paper.moon.converged"),
        ({"compute": {"device": "gpu"}}, "$.compute.device"),
    ],
)
def test_faults_are_marked(config, place):
    assert [fault for fault in faults(config) if fault.startswith(f"{place}: ")]


@pytest.mark.parametrize(
    "config",
    [
        {"architecture": {"name": "timm/resnet18"}},
        {"architecture": {"name": "my/net.py:Net", "options": {"depth": 3, "norm": None}}},
        {"networks": {"mine": {"loss": "losses.py:Hinge"}, "moon": None}},
        {"attacks": {"my-line": {"direction": "mine.py:Signed", "search": "doubling"}}},
        {"experiments": {"paper": {"moon": {"epoch12": ["ffa-line"], "epoch2": None}}}},
        {"tables": {"steps": {"file": "steps.py", "title": "Steps", "inputs": ["attempts"]}}},
    ],
    ids=lambda config: next(iter(config)),
)
def test_what_is_no_fault_is_not_marked(config):
    assert faults(config) == []


def test_the_tables_have_every_option():
    for schema in reference.config_schema()["$defs"].values():
        for key in schema["properties"]:
            assert f"| `{key}` |" in PAGE_TEXT
