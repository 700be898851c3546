"""Signatures of the functions in rules.

Snakemake looks up the signature of a function each time that it calls one, about twenty times a job, which is an
eighth of the time that it takes to plan a run. `inspect.signature` returns what a function has as `__signature__`.
"""

import inspect
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any


def keep_signatures(rules: Iterable[Any]) -> None:
    """Let all functions in inputs, parameters and resources of Snakemake's rules have their signatures at hand."""
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
