"""benchmarks/gpu.py: parts that fail or run out of time end no other, and what they found by then is kept."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import ROOT

pytestmark = pytest.mark.slow

BENCHMARKS = ROOT / "benchmarks"


def imported(name):
    """Import a script of the benchmarks, which import each other by their names."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gpu():
    return imported("gpu")


ROW = 'out.write(json.dumps({"table": "T", "headings": ["a", "b"], "row": ["%s", "1"]}) + "\\n"); out.flush()'
SCRIPTS = {
    "good": f"{ROW % 'x'}\n{ROW % 'y'}\nout.write(json.dumps({{'note': 'All is well.'}}) + '\\n')",
    "broken": f"{ROW % 'kept'}\nprint('before')\nraise SystemExit('it broke')",
    "slow": f"""{ROW % "in time"}
out.write('{{"note": "cut sh'); out.flush()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[2]).write_text(str(child.pid))
time.sleep(600)""",
    "last": "out.write(json.dumps({'speed': {'what': 'training', 'rate': 2.5}}) + '\\n')",
}


def alive(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_part_that_fails_or_takes_too_long_ends_no_other(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "NEXT", 0)

    def command_of(part):
        script = f"import json, pathlib, subprocess, sys, time\nout = open(sys.argv[1], 'a')\n{SCRIPTS[part.name]}"
        return [sys.executable, "-c", script, str(tmp_path / f"{part.name}.jsonl"), str(tmp_path / "child")]

    (tmp_path / "good.jsonl").write_text('{"note": "of an earlier run"}\n')
    limits = {"slow": 15}
    parts = [gpu.Part(name, f"The {name} part", limits.get(name, 300)) for name in SCRIPTS]
    begun = time.monotonic()
    gpu.run([*parts, gpu.Part("never", "Too late", 0)], command_of, tmp_path, minutes=10)
    assert time.monotonic() - begun < 200
    content = json.loads((tmp_path / "gpu.json").read_text())
    found = content["parts"]
    states = {name: part["state"] for name, part in found.items()}
    assert states == {
        "good": "done",
        "broken": "failed (exit status 1)",
        "slow": "out of time after 15 s",
        "last": "done",
        "never": "not begun",
    }
    assert found["good"]["notes"] == ["All is well."]
    assert found["good"]["tables"] == [{"title": "T", "headings": ["a", "b"], "rows": [["x", "1"], ["y", "1"]]}]
    assert found["broken"]["tables"][0]["rows"] == [["kept", "1"]]
    assert found["broken"]["said"].splitlines() == ["before", "it broke"]
    assert (found["slow"]["tables"][0]["rows"], found["slow"]["notes"]) == ([["in time", "1"]], [])
    assert 15 <= found["slow"]["seconds"] < 60
    assert found["last"]["speeds"] == [{"what": "training", "rate": 2.5}]
    assert not alive(int((tmp_path / "child").read_text()))
    text = (tmp_path / "gpu.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        *(f"## The {name} part" for name in SCRIPTS),
        "## Too late",
    ]
    assert "| x   | 1   |" in text
    assert "```\nbefore\nit broke\n```" in text


def test_what_is_left_of_the_minutes_is_the_limit_of_every_part(gpu, tmp_path):
    """And every one but the last leaves some of them to those after it."""
    seen = []

    def carry_out(part, command, folder, limit):
        seen.append((part.name, limit))
        return gpu.Outcome(part.title, "done")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "carry_out", carry_out)
        gpu.run([gpu.Part(name, name, 1e6) for name in ("one", "two")], lambda part: [], tmp_path, minutes=5)
    (one, first), (two, second) = seen
    assert (one, two) == ("one", "two")
    assert 280 < first <= 300 - gpu.NEXT / 2
    assert first < second <= 300


def test_all_parts_fit_into_ten_minutes(gpu):
    """The limits together are hardly more, so that the last part is cut only where all others take all they may."""
    assert sum(part.limit for part in gpu.PARTS) <= 615
    assert gpu.PARTS[-1].name == "hours"


def test_hours_are_those_of_faceflip_plan(tmp_path, monkeypatch):
    """At one speed everywhere; each preset with a row for every way to train and every way to attack."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    parts = imported("gpu_parts")
    from faceflip.workflow.estimate import Estimate, as_json
    from faceflip.workflow.settings import Settings, read_config

    rate, pairs = 2e13, 5000.0
    speeds = [{"what": "training", "mode": mode, "batch": 64, "rate": rate} for mode in ("float32", "bfloat16")]
    speeds += [{"what": "attacks", "mode": "float32", "batch": batch, "rate": rate} for batch in (64, 128)]
    speeds += [{"what": "pass", "mode": "torch", "batch": batch, "rate": pairs / 256 * batch} for batch in (128, 256)]
    (tmp_path / "others.jsonl").write_text("".join(json.dumps({"speed": each}) + "\n" for each in speeds) + '{"spe')
    parts.hours(parts.Bench("hours", tmp_path, "cpu", tiny=True))
    found = [json.loads(line) for line in (tmp_path / "hours.jsonl").read_text().splitlines()]
    rows = {}
    for each in found:
        if "row" in each:
            rows.setdefault(each["table"], []).append(each["row"])
    presets = ROOT / "workflow/presets"
    for title, names in (("paper", ["paper"]), ("paper-fast", ["paper", "paper-fast"])):
        estimate = Estimate.of(Settings.of(read_config(ROOT, [presets / f"{name}.yaml" for name in names])))
        counted = as_json(estimate, rate)["hours"]
        shown = rows[f"Hours, preset {title}"]
        assert [row[:2] for row in shown] == [["float32", "float32"], ["bfloat16", "float32"]]
        for row in shown:
            training, attacks, scans, _, scored, total = (float(number.replace(",", "")) for number in row[2:])
            assert training == pytest.approx(sum(h for key, h in counted.items() if "training" in key), abs=0.01)
            assert (attacks, scans) == pytest.approx((counted["attacks"], counted["scans"]), abs=0.01)
            assert scored == pytest.approx(14 * 40 * 1000 / pairs / 3600, abs=0.01)
            assert total == pytest.approx(sum(counted.values()) + scored, abs=0.02)


def test_tried_out_on_a_cpu_every_part_comes_to_its_end(gpu, tmp_path):
    """With more minutes than it needs, as machines that run tests may have other work."""
    command = [sys.executable, BENCHMARKS / "gpu.py", "--tiny", "--device", "cpu", "--minutes", "120"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([*command, "--folder", tmp_path], capture_output=True, text=True, env=environment)
    content = json.loads((tmp_path / "gpu.json").read_text())
    told = {name: (part["state"], part["said"]) for name, part in content["parts"].items()}
    assert told == dict.fromkeys([part.name for part in gpu.PARTS], ("done", "")), result.stdout
    assert result.returncode == 0
    tables = {name: [table["title"] for table in part["tables"]] for name, part in content["parts"].items()}
    assert tables["tests"] == ["Every test"]
    assert tables["training"] == ["Images/s of the workflow's loop", "A step of RMSProp"]
    assert tables["attacks"] == [f"Attacks, batch {size}, {2 * size} images" for size in (2, 4)]
    assert len(tables["similarity"]) == 1
    assert tables["hours"] == ["Hours, preset paper", "Hours, preset paper-fast"]
    stages = [row[0] for row in content["parts"]["paper"]["tables"][0]["rows"]]
    assert stages == ["draw", "train", "predict", "attack", "judge", "score", "transfer", "scan", "collect"]
    for part in content["parts"].values():
        assert all(speed["rate"] > 0 for speed in part["speeds"])
        for table in part["tables"]:
            assert all(len(row) <= len(table["headings"]) for row in table["rows"])
    text = (tmp_path / "gpu.md").read_text()
    assert all(f"## {part.title}\n" in text for part in gpu.PARTS)
    assert not (tmp_path / "work").exists()
