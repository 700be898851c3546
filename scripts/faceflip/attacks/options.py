"""The options of an attack: `attacks` in the configuration, and the keyword arguments of the library's `attack`.

The configuration is checked while the Snakefile is parsed, so this module imports no PyTorch.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, ValidationError

from faceflip.attacks.libraries import attack_of_file
from faceflip.catalogue import (
    ATTACKS,
    DIRECTIONS,
    LINE,
    SEARCHES,
    AttackEntry,
    find_attack,
    find_direction,
    find_search,
    parts_of,
)
from faceflip.errors import UserError, did_you_mean
from faceflip.registry import is_reference, look_up
from faceflip.typed import Declared, faults_of

FLOAT32 = "float32"
"""The precision of verdicts and gradients."""


JUDGED_AGAIN = 2
"""Forward passes that a lower `search_precision` adds to an attempt, for `faceflip plan`: rounded up as all there."""


class AttackSettings(Declared):
    """What an attack is: the options that the configuration gives it; the defaults are our reading of the paper."""

    direction: str | None = Field(
        None, description="where to go: `fgs`, `ffa`, or `FILE.py:CLASS` of your own; by default the attack's own"
    )
    search: str | None = Field(
        None,
        description="how far: `doubling` widens each section of a line twofold until the decision changes and bisects "
        "the last one, `scan` tries every whole epsilon, `iterative` makes steps of one pixel value, `newton` steps to "
        "where the boundary should be, `descent` looks for the smallest perturbation; or `FILE.py:CLASS` of your own; "
        "by default the attack's own",
    )
    max_epsilon: float = Field(
        255,
        ge=1,
        le=65_535,
        description="line searches: the largest epsilon tried, in pixel values (FGS: its whole part)",
    )
    epsilon_tolerance: float = Field(
        0,
        ge=0,
        le=65_535,
        description="line searches along FFA end once the ends are this close; 0: at one pixel value",
    )
    search_precision: Literal["float32", "tf32", "bfloat16"] = Field(
        FLOAT32,
        description="line searches: precision of the forward passes on probes. The gradient is in float32, and what "
        "the search comes to is judged in it; where float32 says otherwise the search goes on in it. `tf32` changes "
        "something on NVIDIA GPUs alone",
    )
    max_steps: int = Field(
        100, ge=1, le=1_000_000, description="iterative searches: the most steps of one pixel value; `newton`: the most"
    )
    descent_steps: int = Field(30, ge=2, le=1_000_000, description="`descent`: steps, each with a gradient")
    fgs_label: Literal["current", "annotated", "opposite"] = Field(
        "current",
        description="FGS: the label whose loss is raised (the `current` decision or the `annotated` label), or "
        "`opposite`: the loss of the label other than the current decision is lowered",
    )
    fgs_scope: Literal["network", "attribute"] = Field(
        "network",
        description="FGS: raise the loss of the whole network, which must decide on one attribute, as in the paper; or "
        "that of the attacked `attribute` alone",
    )
    ffa_target: Literal["current", "original"] = Field(
        "current", description="FFA, iterative: target scores from every temporary image, or those of the original"
    )
    ffa_crossed: Literal["literal", "onward"] = Field(
        "literal",
        description="FFA, iterative, where the unrounded image has crossed zero and the rounded one has not: back to "
        "the target, as eqs. (8) and (9) say, or `onward` past it",
    )
    ffa_objective: Literal["scores", "margin"] = Field(
        "scores",
        description="FFA: descend on the `scores` (of two logits the larger one), or on the decision value, which of "
        "two logits is their `margin`",
    )

    file: str | None = Field(
        None,
        description="an attack that is not ours: `MODULE:NAME` of a library, such as `adv_lib.attacks:ddn`, or "
        "`FILE.py:FUNCTION` of your own",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="attacks by `file`: what the attack is called with beside network and images"
    )
    then: Literal["line"] | None = Field(
        None, description="attacks by `file`: `line` searches along the perturbation that the attack returns"
    )

    def file_of(self, name: str) -> str | None:
        """Return the reference to an attack that is not ours: the option `file`, or the attack's name; else None."""
        return self.file or (name if is_reference(name) else None)

    def attack(self, name: str) -> AttackEntry:
        """Return the entry of an attack with these options.

        Raises `UserError` where it is unknown, or has a search of another kind than its name says.
        """
        entry = self._entry(name)
        again = self.search_precision != FLOAT32 and "search_precision" in find_search(entry.search).takes
        return replace(entry, forwards=entry.forwards + JUDGED_AGAIN) if again else entry

    def _entry(self, name: str) -> AttackEntry:
        if file := self.file_of(name):
            if name in ATTACKS:
                raise UserError(f"option file: {name} is an attack of faceflip's own; give {file} another name")
            for option in ("direction", "search"):
                if getattr(self, option):
                    raise UserError(f"option {option}: an attack by file goes its own way; leave {option} or file out")
            entry = attack_of_file(file, self.options, self.then)
            method, _ = parts_of(name, find_search(entry.search).kind)
            if method.lower() in DIRECTIONS:
                raise UserError(
                    f"option file: tables would take {name} for the paper's {method.upper()}; give {file} another name"
                )
            return entry
        if self.search and not is_reference(self.search):
            look_up(SEARCHES, self.search, "search")
        entry = find_attack(name, self.direction, self.search)
        find_direction(entry.direction)
        kind = find_search(entry.search).kind
        own = find_search(find_attack(name).search).kind if self.search and not self.direction else kind
        if kind != own:
            raise UserError(f"option search: {self.search} is no {own} search, as {name} is")
        steps = find_search(entry.search).gradients
        return replace(entry, gradients=1 + getattr(self, steps)) if steps else entry


class AttackOptions(AttackSettings):
    """How an attack is carried out; an option that an attack has no use for is ignored by it."""

    batch_size: int = Field(
        32, ge=1, le=65_536, description="images in a full pass; results depend on it by floating-point rounding alone"
    )
    block_size: int = Field(256, ge=1, le=65_536, description="finished attempts handed over together")
    margin: float | None = Field(
        None,
        ge=0,
        description="how far past zero a decision value must be to count as flipped; by default the network's own "
        "rounding, measured",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**63 - 1,
        description="attacks by `file`: decides, with an image and its attribute, what is random in an attempt",
    )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "AttackOptions":
        """Build options from names and values, Python's or NumPy's; raises `UserError` with each that is wrong."""
        plain = {name: value.item() if hasattr(value, "item") else value for name, value in values.items()}
        faults = [
            f"there is no attack option {name!r}{did_you_mean(name, cls.model_fields, otherwise='; there are ')}"
            for name in plain
            if name not in cls.model_fields
        ]
        if not faults:
            try:
                return cls(**plain)
            except ValidationError as error:
                faults = [f"option {fault}" for fault in faults_of(error)]
        raise UserError("\n".join(faults))


def for_attack(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as `AttackOptions` has them; of an attack by file those that are not ours go to its `options`."""
    if not is_reference(name) and "file" not in values:
        return dict(values)
    known = {key: value for key, value in values.items() if key in AttackOptions.model_fields}
    theirs = {key: value for key, value in values.items() if key not in known}
    return {**known, "options": {**known.get("options", {}), **theirs}}


def options_of(entry: AttackEntry) -> set[str]:
    """Return the names of the options that the configuration may set for an attack."""
    search = find_search(entry.search)
    if search.whole_attack:
        return set(search.takes)
    return {"direction", "search", *find_direction(entry.direction).takes, *search.takes}


def heeded_by(entry: AttackEntry) -> set[str]:
    """Return the names of those of its options that an attack's results can depend on: a line has one step."""
    search = find_search(entry.search)
    later = find_direction(entry.direction).later if search.kind == LINE and not search.whole_attack else ()
    return options_of(entry) - set(later)
