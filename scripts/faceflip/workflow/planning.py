"""Planning runs of many jobs: what Snakemake does for each job, and need do only once."""

import functools
import inspect
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any


def keep_signatures(rules: Iterable[Any]) -> None:
    """Let all functions in inputs, parameters and resources of Snakemake's rules have their signatures at hand.

    Snakemake looks up the signature of a function each time that it calls one, about twenty times a job, which is an
    eighth of the time that it takes to plan a run. `inspect.signature` returns what a function has as
    `__signature__`.
    """
    for rule in rules:
        for function in _functions_of(rule):
            function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]


def _functions_of(rule: Any) -> Iterator[FunctionType]:
    resources = rule.resources.values()
    values = [*rule.input, *rule.params, *(getattr(resource, "_evaluator", None) for resource in resources)]
    # Snakemake calls resources by a method of their class.
    values += [getattr(type(resource), "evaluate", None) for resource in resources]
    for value in values:
        # Files that a function names are objects that hold it.
        function = getattr(getattr(value, "_file", value), "callable", value)
        if isinstance(function, FunctionType):
            yield function


def check_scripts_once(processor: type | None) -> None:
    """Let Snakemake's `ScriptProcessor` check once that a script is there; one that is made otherwise stays as it is.

    It reads the script anew for each job that is planned, which takes a fifth of the time. One whose path has wildcards
    is another one for each job, and still looked for each time.
    """
    check = getattr(processor, "process_job", None)
    if check is None or hasattr(check, "__wrapped__"):
        return

    @functools.wraps(check)
    def process_job(self: Any, job: Any) -> None:
        script = str(getattr(job.rule, self.script_type, None))
        found = vars(self).setdefault("_found", set())
        if (where := (script, str(job.rule.basedir))) not in found:
            check(self, job)
            if "{" not in script:
                found.add(where)

    processor.process_job = process_job  # type: ignore[attr-defined]
