"""What the configuration says of a network: trained here, brought from elsewhere, or fine-tuned from another."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from faceflip.attempt import CONVERGED, GIVEN, TUNED
from faceflip.catalogue import DIETS, LOSSES
from faceflip.errors import UserError, did_you_mean
from faceflip.io.paths import LABEL_DOUBT, as_made
from faceflip.networks.architecture import ArchitectureOptions, Arguments
from faceflip.networks.brought import FORMS, BroughtOptions, InputOptions, is_of_zoo, is_program, require_form
from faceflip.registry import from_home, is_reference
from faceflip.training.hyperparameters import OwnSeed, TrainingOptions
from faceflip.training.tuning import TuningOptions
from faceflip.typed import Declared, group
from faceflip.workflow.migration import as_mapping

INHERITED = ("architecture", "training")
"""The groups of options that a network takes from the whole, key by key."""
OF_SOURCE = ("loss", "per", "architecture", "file", "weights", "entry", "options", "outputs", "input")
"""What a fine-tuned network has from its source, and cannot say itself."""
OF_SCHEDULE = ("learning_rate", "gamma", "power", "checkpoints", "min_epochs", "max_epochs", "patience")
"""Options of training that fine-tuning has no use for: its rate is constant, and it ends after `epochs`."""

HomePath = Annotated[str, AfterValidator(from_home)]
"""A path that may begin with ~."""
Column = Annotated[int, Field(ge=0, le=1_000_000)]


def _columns(value: Any) -> Any:
    def are(columns: Any) -> bool:
        return isinstance(columns, list) and all(type(each) is int and 0 <= each <= 1_000_000 for each in columns)

    named = isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
    if are(value) or (named and all(are(each if isinstance(each, list) else [each]) for each in value.values())):
        return value
    form = "columns from 0 on: a list, or a mapping of attributes to COLUMN or [ABSENT, PRESENT]"
    raise PydanticCustomError("outputs", f"expected {form}")


class NetworkOptions(Declared):
    """What a network is, how it is trained, or where it is brought from."""

    loss: str = Field(description="`euclidean`, `softmax`, `bce`, or `FILE.py:CLASS` of your own")
    per: Literal["attribute", "all"] = Field(
        "attribute", description="a network for each `attribute`, or one for `all` (the paper's MOON: euclidean, all)"
    )
    title: str | None = Field(None, min_length=1, description="its name on pages; by default from loss and per")
    attributes: list[str] | None = Field(
        None, min_length=1, description="those it decides on; by default `attributes`, or with `per: all` the dataset's"
    )
    architecture: ArchitectureOptions = group(
        ArchitectureOptions, "keys of `architecture` that differ for this network"
    )
    training: TrainingOptions = group(TrainingOptions, "keys of `training` that differ for this network")
    file: HomePath | None = Field(None, min_length=1, description=f"a network that was trained elsewhere: {FORMS}")
    weights: HomePath | None = Field(
        None, min_length=1, description="file of its weights: safetensors, or what `torch.save` wrote of a state dict"
    )
    entry: str | None = Field(
        None,
        min_length=1,
        description="the entry of that file that has them, such as `state_dict`; null: of an EMA, else the network's",
    )
    options: Arguments = group(dict, "keyword arguments of what `file` names, such as `num_classes`")
    outputs: Annotated[list[Column] | dict[str, Column | list[Column]], BeforeValidator(_columns)] | None = Field(
        None,
        description="columns of its outputs, from 0, if not all in order: `{ATTRIBUTE: COLUMN}` or a list; of losses "
        "with two logits `[ABSENT, PRESENT]`",
    )
    input: InputOptions = group(InputOptions, "how it sees images")

    @property
    def columns(self) -> list[int] | None:
        """The columns of its outputs that are its scores, in the order of `attributes`; None for all."""
        if not isinstance(self.outputs, dict):
            return self.outputs
        found = [self.outputs[name] for name in self.attributes]
        return [column for each in found for column in (each if isinstance(each, list) else [each])]

    @property
    def brought(self) -> BroughtOptions | None:
        """How to build it where it was trained elsewhere, else None."""
        if self.file is None:
            return None
        return BroughtOptions(file=self.file, options=self.options, columns=self.columns, input=self.input)

    @property
    def files(self) -> list[tuple[str, str]]:
        """The files that hold its weights, each with its key, where it was trained elsewhere."""
        program = self.file if self.file and is_program(self.file) else None
        return [(key, file) for key, file in (("file", program), ("weights", self.weights)) if file]

    @property
    def own_code(self) -> list[str]:
        """The names of the user's code that it is built from: references, and programs."""
        names = (self.loss, self.architecture.name, self.file)
        return [name for name in names if name and (is_reference(name) or is_program(name))]

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """Let a brought network decide on all its attributes, which its outputs may name."""
        if not isinstance(values, Mapping) or values.get("file") is None:
            return values
        outputs = values.get("outputs")
        named = {"attributes": list(outputs)} if isinstance(outputs, Mapping) else {}
        return {"per": "all", **named, **values}

    @model_validator(mode="after")
    def _require_sense(self) -> "NetworkSettings":
        given, brought = self.model_fields_set, ("weights", "entry", "options", "outputs", "input")
        if self.file is None:
            fields = type(self).model_fields
            defaults = {key: fields[key].get_default(call_default_factory=True) for key in brought}
            if misplaced := [key for key, default in defaults.items() if getattr(self, key) != default]:
                raise ValueError(f"{misplaced[0]}: is of a network that was trained elsewhere; name its code in `file`")
            return self
        try:
            require_form(self.file)
        except UserError as error:
            raise ValueError(f"file: {error}") from None
        if self.per != "all":
            raise ValueError("per: a network with a `file` is one network of all its attributes; remove this key")
        for key in INHERITED:
            if key in given:
                raise ValueError(f"{key}: a network with a `file` is built by it and is not trained; remove this key")
        if is_program(self.file):
            for key in ("weights", "entry", "options"):
                if key in given:
                    raise ValueError(f"{key}: the program {self.file} has its weights in it; remove this key")
        if is_of_zoo(self.file):
            if self.weights is None:
                raise ValueError(f"weights: missing; {self.file} names layers alone, and nothing is downloaded")
            if "input" not in given:
                raise ValueError(
                    "input: missing; say how it saw images when it was trained, such as {size: [224, 224], scale: "
                    "1/255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}"
                )
        if self.entry and (self.weights or "").endswith(".safetensors"):
            raise ValueError("entry: a safetensors file has no entries but the weights; remove this key")
        if fault := self._fault_of_outputs():
            raise ValueError(f"outputs: {fault}")
        return self

    def _fault_of_outputs(self) -> str | None:
        outputs, attributes = self.outputs, self.attributes or []
        if outputs is None:
            return None
        if isinstance(outputs, dict):
            if odd := {*attributes} ^ {*outputs}:
                said = ", ".join(sorted(odd))
                return f"{said}: stands in only one of `outputs` and `attributes`; leave `attributes` out"
            if {len(each) if isinstance(each, list) else 1 for each in outputs.values()} not in ({1}, {2}):
                return "expected a column for each attribute, or [ABSENT, PRESENT] for each"
        columns, count = self.columns, len(attributes)
        if len(set(columns)) < len(columns):
            return f"{columns} names a column twice"
        if not columns or (count and len(columns) not in (count, 2 * count)):
            return f"{len(columns)} columns for {count} attributes; expected one for each, or two logits for each"
        return None


class NetworkSettings(TuningOptions, NetworkOptions):
    """A network, or one for each attribute; what it does not say of architecture and training stands above.

    With `file` it is one that was trained elsewhere (docs/guides/networks.md), and its one checkpoint is called
    `given`. With `from` it is fine-tuned from another network of the configuration (docs/guides/fine-tuning.md), and
    its one checkpoint is called `tuned`.
    """

    source: str | None = Field(
        None,
        alias="from",
        min_length=1,
        description="`NETWORK` or `NETWORK/CHECKPOINT` that it is fine-tuned from; by default from the last checkpoint",
    )
    attack: str | None = Field(
        None, min_length=1, description="of fine-tuning: the attack that the diet's images are made by"
    )
    sample: str = Field(
        "harden", min_length=1, description="of fine-tuning: the sample whose attempts the diet is made of"
    )
    doubts: Annotated[HomePath, AfterValidator(as_made)] | None = Field(
        None,
        min_length=1,
        description="of fine-tuning: file of labels in doubt, of which no extra image is made: the run's own "
        f"`{LABEL_DOUBT}`, or a CSV file with the columns `file_name` and `attribute`",
    )
    seeds: list[OwnSeed] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="it is trained, or fine-tuned, once for each, as `NAME-seedN`; null: once, by the run's `seed`, "
        "or of fine-tuning as often as its source",
    )

    @property
    def checkpoints(self) -> list[str]:
        """The names of its checkpoints, the earliest first."""
        if self.source:
            return [TUNED]
        return [GIVEN] if self.file else checkpoint_names(self.training)

    @property
    def origin(self) -> tuple[str, str | None]:
        """The network that it is fine-tuned from, and the checkpoint of that, None for the last."""
        name, _, checkpoint = (self.source or "").partition("/")
        return name, checkpoint or None

    @property
    def of_store(self) -> bool:
        """Whether it is fine-tuned on images that are read from perturbation stores."""
        return self.source is not None and self.contents.of_store

    @model_validator(mode="after")
    def _require_tuning(self) -> "NetworkSettings":
        said = self.model_fields_set
        if self.seeds and len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds: {self.seeds} names one twice")
        if self.seeds and self.training.seed is not None:
            raise ValueError("seeds: there is a training.seed, of this network or of all; remove one of them")
        if self.seeds and self.file:
            raise ValueError("seeds: a network with a `file` is not trained; remove this key")
        if self.source is None:
            own = {*TuningOptions.model_fields, "attack", "sample", "doubts"}
            if misplaced := [key for key in type(self).model_fields if key in own & said]:
                raise ValueError(f"{misplaced[0]}: is of a network that is fine-tuned; name its source in `from`")
            return self
        diet = DIETS[self.diet]
        if self.doubts and not diet.of_store:
            raise ValueError(f"doubts: the diet {self.diet} takes no images that an attack found; remove this key")
        if self.factors and (diet.parts or not diet.of_store):
            raise ValueError(f"factors: the diet {self.diet} has none of its own; remove this key")
        if "adversary" in said and not diet.steps:
            raise ValueError(f"adversary: the diet {self.diet} is not made on the fly; remove this key")
        if self.of_store and self.attack is None:
            raise ValueError(f"attack: missing; the diet {self.diet} is made of what an attack on the source found")
        return self


def inheriting(networks: Mapping[str, Any], above: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return networks of a configuration with what they inherit, and what is wrong with that, a fault a line.

    A network that is trained takes groups of options from `above`; one that is fine-tuned takes from its source what
    the source is, so that it says only what differs.
    """
    faults: list[str] = []
    made: dict[str, Any] = {}

    def complete(name: str, waiting: tuple[str, ...]) -> Any:
        own = networks[name]
        if name in made or not isinstance(own, Mapping):
            return made.get(name, own)
        if own.get("from") is None:
            groups = () if "file" in own else INHERITED
            made[name] = {**own, **{group: merged(above.get(group, {}), own.get(group, {})) for group in groups}}
            return made[name]
        faults.extend(
            f"networks.{name}.{key}: a fine-tuned network has this of its source; remove this key"
            for key in OF_SOURCE
            if key in own
        )
        training = own.get("training", {})
        faults.extend(
            f"networks.{name}.training.{key}: fine-tuning has `epochs`, and a constant `learning_rate` beside `from`; "
            "remove this key"
            for key in OF_SCHEDULE
            if isinstance(training, Mapping) and key in training
        )
        source = str(own["from"]).partition("/")[0]
        if source not in networks:
            hint = did_you_mean(source, networks, otherwise="; there are ")
            faults.append(f"networks.{name}.from: there is no network {source!r}{hint}")
            found = {}
        elif source in (*waiting, name):
            faults.append(f"networks.{name}.from: goes round in a circle: {' from '.join((*waiting, name, source))}")
            found = {}
        else:
            found = complete(source, (*waiting, name))
        found = found if isinstance(found, Mapping) else {}
        taken = {key: found[key] for key in ("loss", "per", "architecture") if key in found}
        if "file" in found:
            taken["per"] = "all"
        outputs = found.get("outputs")
        known = found.get("attributes", list(outputs) if isinstance(outputs, Mapping) else None)
        if known is not None:
            taken["attributes"] = known
        inherited = as_mapping(found.get("training", above.get("training")))
        inherited = {key: each for key, each in inherited.items() if key != "seed"}
        made[name] = {"loss": next(iter(LOSSES)), **taken, **own, "training": merged(inherited, training)}
        return made[name]

    for name in networks:
        complete(name, ())
    return {name: made.get(name, each) for name, each in networks.items()}, faults


def merged(below: Any, above: Any) -> Any:
    """Lay one value over another: mappings merge key by key, everything else replaces."""
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    return {key: merged(below.get(key), above[key]) if key in above else below[key] for key in below | above}


def checkpoint_names(training: TrainingOptions) -> list[str]:
    """Return the names of the checkpoints that a training keeps, the earliest first."""
    return [*(epoch_name(epoch) for epoch in sorted(training.checkpoints)), CONVERGED]


def epoch_name(epoch: int) -> str:
    """Return the name of the checkpoint of an epoch."""
    return f"epoch{epoch}"
