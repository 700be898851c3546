"""Snakemake finds the signatures of functions in rules, where it would work them out for each job."""

import inspect
import re
from types import MappingProxyType

import pytest
from running import ROOT, in_a_fork, plain_environment

from faceflip.workflow.signatures import keep_signatures

SNAKEFILE = """
import atexit, inspect
from faceflip.workflow.signatures import keep_signatures

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


@pytest.mark.workflow
@pytest.mark.parametrize("keep_them", ["", "keep_signatures(workflow.rules)"])
def test_of_the_functions_in_rules(tmp_path, keep_them):
    (tmp_path / "Snakefile").write_text(SNAKEFILE.replace("KEEP_THEM", keep_them))
    environment = {**plain_environment(), "PYTHONPATH": str(ROOT / "scripts")}
    arguments = ["--dry-run", "--quiet", "--default-resources", "mem_mb=50"]
    done = in_a_fork(arguments, tmp_path, environment)
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
