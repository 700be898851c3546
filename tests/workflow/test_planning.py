"""What Snakemake does once, where it would do it for each job that it plans."""

import inspect
import re
from types import MappingProxyType

import pytest
from running import ROOT, in_a_fork, plain_environment

from faceflip.workflow.planning import keep_signatures

FUNCTIONS = """
import atexit, inspect
from faceflip.workflow.planning import keep_signatures

rule all:
    input: [f"{number}.b" for number in range(40)]

rule a:
    output: "{number}.a"
    params: twice=lambda wildcards: 2 * int(wildcards.number), name=lambda wildcards, output: output[0]
    resources: mem_mb=lambda wildcards, attempt: 100 * attempt
    shell: "echo {params.twice} > {output}"

rule b:
    input: lambda wildcards: f"{wildcards.number}.a"
    output: "{number}.b"
    params: size=lambda wildcards, input: len(input)
    shell: "echo {params.size} {resources.mem_mb} > {output}"

WORKED_OUT, work_out = [], inspect._signature_from_function

def counted(*arguments, **options):
    WORKED_OUT.append(arguments[1])
    return work_out(*arguments, **options)

inspect._signature_from_function = counted
atexit.register(lambda: print(f"worked out {len(WORKED_OUT)}"))
KEEP_THEM
"""

SCRIPTS = """
import atexit
import snakemake.script
from faceflip.workflow.planning import check_scripts_once
from snakemake.dag import ScriptProcessor

rule all:
    input: [f"{number}.{kind}" for number in range(40) for kind in "ab"]

rule a:
    output: "{number}.a"
    script: "a.py"

rule b:
    output: "{number}.b"
    script: "{wildcards.number}.py"

READ, read = [], snakemake.script.get_source

def counted(path, *others):
    READ.append(str(path))
    return read(path, *others)

snakemake.script.get_source = counted
atexit.register(lambda: print(f"read {READ.count('a.py')} and {len(READ) - READ.count('a.py')}"))
CHECK_ONCE
"""


def planned(folder, snakefile, *arguments):
    """Return how Snakemake ends that plans a run of a Snakefile."""
    (folder / "Snakefile").write_text(snakefile)
    environment = {**plain_environment(), "PYTHONPATH": str(ROOT / "scripts")}
    return in_a_fork(["--dry-run", "--quiet", *arguments], folder, environment)


@pytest.mark.workflow
@pytest.mark.parametrize("keep_them", ["", "keep_signatures(workflow.rules)"])
def test_signatures_of_the_functions_in_rules(tmp_path, keep_them):
    done = planned(tmp_path, FUNCTIONS.replace("KEEP_THEM", keep_them), "--default-resources", "mem_mb=50")
    assert done.returncode == 0, done.stderr
    (times,) = re.findall(r"worked out (\d+)", done.stdout)
    if keep_them:
        assert int(times) < 80, "of six functions, for 80 jobs"
    else:
        assert int(times) > 5 * 80


def test_a_signature_is_that_of_the_function():
    class Rule:
        input, params, resources = (), (lambda wildcards, output: output, "text", max), MappingProxyType({})

    keep_signatures([Rule])
    function = Rule.params[0]
    kept = vars(function).pop("__signature__")
    assert kept == inspect.signature(function)


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("check_once", "times"),
    [("", 40), ("check_scripts_once(ScriptProcessor)", 1), ("check_scripts_once(ScriptProcessor)\n" * 2, 1)],
)
def test_scripts_are_looked_for_once(tmp_path, check_once, times):
    """But for those whose names follow from the wildcards of each job."""
    for name in ("a", *range(40)):
        (tmp_path / f"{name}.py").touch()
    done = planned(tmp_path, SCRIPTS.replace("CHECK_ONCE", check_once))
    assert done.returncode == 0, done.stderr
    assert f"read {times} and 40" in done.stdout


@pytest.mark.workflow
@pytest.mark.parametrize("missing", ["a", "39"])
def test_a_script_that_is_not_there(tmp_path, missing):
    for name in {"a", *map(str, range(40))} - {missing}:
        (tmp_path / f"{name}.py").touch()
    done = planned(tmp_path, SCRIPTS.replace("CHECK_ONCE", "check_scripts_once(ScriptProcessor)"))
    assert done.returncode == 1
    assert f"{missing}.py" in done.stdout + done.stderr
