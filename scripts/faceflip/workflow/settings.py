"""The configuration: what can be set, with types, ranges, defaults and meanings; and checking one.

The defaults are the paper's, or this project's reading of it. config.yaml sets what makes the embedded default small.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from faceflip.attacks.options import AttackSettings, options_of
from faceflip.attempt import CONVERGED, FIELDS, FINAL, GIVEN, Experiment
from faceflip.catalogue import (
    READERS,
    SIMILARITIES,
    find_architecture,
    find_direction,
    find_loss,
    find_search,
    parts_of,
)
from faceflip.data.celeba import ATTRIBUTES, HEIGHT, SPLITS, WIDTH
from faceflip.data.celeba.finding import input_files
from faceflip.data.celeba.splits import fault_of_shares
from faceflip.data.reading import Reader
from faceflip.data.synthetic import MISLABELLED
from faceflip.data.table import first_size, read_columns
from faceflip.errors import UserError, did_you_mean
from faceflip.io.paths import SYNTHETIC
from faceflip.networks.architecture import ArchitectureOptions, Arguments
from faceflip.networks.brought import FORMS, BroughtOptions, InputOptions, is_of_zoo, is_program, require_form
from faceflip.registry import from_home, is_reference, load, look_up, own_file
from faceflip.training.hyperparameters import MAX_SEED, TrainingOptions
from faceflip.typed import Declared, faults_of
from faceflip.wording import first_of
from faceflip.workflow.duplicates import require_unique_keys
from faceflip.workflow.migration import as_mapping, text_for_today
from faceflip.workflow.products import FIGURES, INPUTS, PARTS, TABLES, TABLES_BETWEEN, Product

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*(?<!\.h5)")
"""Form of the names of samples, networks, attacks, tables and figures: they are names of folders and files."""
COLUMNS = {"row", "correct", *(field.name for field in (*fields(Experiment), *FIELDS))}.union(
    *(each.columns for each in SIMILARITIES.values())
)
"""Columns of the attempts that a similarity of one's own cannot take the name of."""
OTHER_METHODS = {"trivial_train", "trivial_test", "facetracer", "lnets_anet", "moon_published"}
"""What stands beside networks in the table of classification errors."""
PRIMARY_SAMPLE = "paper"
OF_TABLE = ("images", "columns", "splits")
"""Keys of `dataset` that are about a table of one's own."""
CHOICES = ("subset", "split_shares", "split_seed")
"""Keys of `dataset` that say which images are taken, and how they are split."""
INHERITED = ("architecture", "training")
"""The groups of options that a network takes from the whole, key by key."""

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
OwnSeed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Side = Annotated[int, Field(ge=32, le=1024)]
Share = Annotated[float, Field(ge=0, le=1)]
Threads = Annotated[int, Field(ge=1, le=1024)]


def _group(kind: type, description: str) -> Any:
    """Declare a group of options, or named things, whose default is an empty one."""
    return Field(default_factory=kind, description=description)


class DatasetSettings(Declared):
    """Faces and labels: drawn ones, CelebA, or a table of one's own."""

    celeba: Annotated[str, AfterValidator(from_home)] | None = Field(
        None,
        min_length=1,
        description="folder or zip archive of CelebA, in any form of docs/dataset.md; null: draw one",
    )
    table: Annotated[str, AfterValidator(from_home)] | None = Field(
        None,
        min_length=1,
        description="labels of one's own: a CSV, TSV or Parquet file with a row an image and a column an attribute",
    )
    images: Annotated[str, AfterValidator(from_home)] | None = Field(
        None, min_length=1, description="folder or zip archive of the table's images; null: the folder of the table"
    )
    columns: list[str] | None = Field(
        None, min_length=1, description="of the table, those that are attributes; null: all but file, split and group"
    )
    splits: Annotated[str, AfterValidator(from_home)] | None = Field(
        None, min_length=1, description="another file that says the split of each image; null: the table's column split"
    )
    subset: bool = Field(False, description="use those of the annotated images that are there, and say how many")
    split_shares: list[float] | None = Field(
        None,
        min_length=3,
        max_length=3,
        description="make the splits anew, by shares of training, validation and test, such as [0.8, 0.1, 0.1]; null: "
        "those of CelebA's partition file, or the table's",
    )
    split_seed: OwnSeed | None = Field(None, description="another one makes other splits of the same shares")
    leave_out_bad_images: bool = Field(
        False, description="do without images that are missing or damaged, and name them in the manifest"
    )
    image_size: list[Side] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="width and height to resize to; null keeps CelebA's 178 x 218, or the table's own",
    )

    @property
    def drawn(self) -> bool:
        """Whether the faces are drawn."""
        return self.celeba is None and self.table is None

    @property
    def source(self) -> str:
        """Where labels and images come from, as messages call it."""
        return self.table or self.celeba or SYNTHETIC

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """The names of the attributes: CelebA's, or those of the table, whose header is read."""
        if self.table is None:
            return ATTRIBUTES
        return read_columns(self.table, self.columns).attributes

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the images in pixels; of a table whose images cannot be read, CelebA's."""
        own = first_size(self.table, self.images, self.columns) if self.table and not self.image_size else None
        return tuple(self.image_size or own or (WIDTH, HEIGHT))

    @property
    def choice(self) -> dict[str, Any]:
        """What is taken of the faces, as far as it is not all of them as their files split them."""
        return {name: value for name in CHOICES if (value := getattr(self, name)) is not None and value is not False}

    def open(self) -> Reader:
        """Return what reads the faces; raises UserError where there are none."""
        if self.table is None:
            return load(READERS["celeba"])(self.celeba or SYNTHETIC, **self.choice)
        return load(READERS["table"])(self.table, **{name: getattr(self, name) for name in OF_TABLE}, **self.choice)

    @cached_property
    def inputs(self) -> list[Path]:
        """The files and folders that faces are packed from, as far as they are there; drawn ones are made."""
        if self.celeba:
            return input_files(self.celeba, identities=bool(self.split_shares))
        places = (self.table, self.splits, self.images or (self.table and Path(self.table).parent))
        return [path for place in places if place and (path := Path(place)).exists()]

    @model_validator(mode="after")
    def _require_sense(self) -> "DatasetSettings":
        if self.split_shares and (fault := fault_of_shares(self.split_shares)):
            raise ValueError(f"split_shares: {fault}")
        if self.celeba and self.table:
            raise ValueError("table: there is dataset.celeba, too; set one of them to null")
        for name in OF_TABLE:
            if getattr(self, name) is not None and self.table is None:
                raise ValueError(f"{name}: is about a table of your own; name it in dataset.table")
        if self.splits and self.split_shares:
            raise ValueError("splits: there is dataset.split_shares, too; set one of them to null")
        if self.split_seed is not None and not self.split_shares:
            raise ValueError("split_seed: is about dataset.split_shares, such as [0.8, 0.1, 0.1]")
        if self.choice and self.drawn:
            raise ValueError(
                f"{next(iter(self.choice))}: is about CelebA or a table of your own; name one in dataset.celeba or "
                "dataset.table"
            )
        return self


class SyntheticSettings(Declared):
    """The look-alike that is drawn where `dataset.celeba` is null: 40 visible attributes, distributed as in CelebA."""

    train: Count = Field(1600, description="images of the training split")
    validation: Count = Field(300, description="images of the validation split")
    test: Count = Field(400, description="images of the test split")
    mislabelled: float = Field(
        MISLABELLED,
        ge=0,
        le=0.5,
        description="share of the rarer class (and as many of the other) that is annotated wrongly",
    )
    seed: OwnSeed | None = Field(None, description="decides the faces; null: the run's `seed`")


class SampleSettings(Declared):
    """A seeded draw of images that are attacked."""

    split: Literal[SPLITS] = Field("train", description="where the images are drawn from")
    images: Count = Field(1000, description="how many")
    seed: OwnSeed | None = Field(
        None, description="decides, with the sample's name, which are drawn; null: the run's `seed`"
    )


Column = Annotated[int, Field(ge=0, le=1_000_000)]


def _columns(value: Any) -> Any:
    def are(columns: Any) -> bool:
        return isinstance(columns, list) and all(type(each) is int and 0 <= each <= 1_000_000 for each in columns)

    named = isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
    if are(value) or (named and all(are(each if isinstance(each, list) else [each]) for each in value.values())):
        return value
    form = "columns from 0 on: a list, or a mapping of attributes to COLUMN or [ABSENT, PRESENT]"
    raise PydanticCustomError("outputs", f"expected {form}")


class NetworkSettings(Declared):
    """A network, or one for each attribute; what it does not say of architecture and training stands above.

    With `file` it is one that was trained elsewhere (docs/networks.md), and its one checkpoint is called `given`.
    """

    loss: str = Field(description="`euclidean`, `softmax`, `bce`, or `FILE.py:CLASS` of one's own")
    per: Literal["attribute", "all"] = Field(
        "attribute", description="a network for each `attribute`, or one for `all` (the paper's MOON: euclidean, all)"
    )
    title: str | None = Field(None, min_length=1, description="its name on pages; by default from loss and per")
    attributes: list[str] | None = Field(
        None, min_length=1, description="those it decides on; by default `attributes`, or with `per: all` the dataset's"
    )
    architecture: ArchitectureOptions = _group(
        ArchitectureOptions, "keys of `architecture` that differ for this network"
    )
    training: TrainingOptions = _group(TrainingOptions, "keys of `training` that differ for this network")
    file: Annotated[str, AfterValidator(from_home)] | None = Field(
        None, min_length=1, description=f"a network that was trained elsewhere: {FORMS}"
    )
    weights: Annotated[str, AfterValidator(from_home)] | None = Field(
        None, min_length=1, description="file of its weights: safetensors, or what `torch.save` wrote of a state dict"
    )
    entry: str | None = Field(
        None,
        min_length=1,
        description="the entry of that file that has them, such as `state_dict`; null: of an EMA, else the network's",
    )
    options: Arguments = _group(dict, "keyword arguments of what `file` names, such as `num_classes`")
    outputs: Annotated[list[Column] | dict[str, Column | list[Column]], BeforeValidator(_columns)] | None = Field(
        None,
        description="columns of its outputs, from 0, if not all in order: `{ATTRIBUTE: COLUMN}` or a list; of losses "
        "with two logits `[ABSENT, PRESENT]`",
    )
    input: InputOptions = _group(InputOptions, "how it sees images")

    @property
    def checkpoints(self) -> list[str]:
        """The names of its checkpoints, the earliest first."""
        return [GIVEN] if self.file else checkpoint_names(self.training)

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


class ThreadSettings(Declared):
    """CPU threads of the jobs of a kind; networks compute with so many whatever `--cores` is: last bits hang on it."""

    pack: Threads = Field(2, description="drawing and decoding images, inventories")
    train: Threads = Field(1, description="training")
    attack: Threads = Field(1, description="attacks, predictions, transfers, scans")
    score: Threads = Field(1, description="PASS")


class ComputeSettings(Declared):
    """Where and how jobs compute."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="`auto`: a GPU where there is one; results are made anew when the word changes"
    )
    shard_size: Count = Field(1000, description="attempts (attribute x image) an attack job")
    batch_size: int = Field(
        32, ge=1, le=65_536, description="images a pass in attacks and predictions; decides last bits of a score"
    )
    threads: ThreadSettings = _group(ThreadSettings, "CPU threads of jobs")
    jobs_per_gpu: int = Field(1, ge=1, le=64, description="jobs on the same GPU at a time; changes no result")
    save_every: float = Field(
        300, ge=0, le=1e9, description="seconds of training after which its state is saved; changes no result"
    )
    training_images: Literal["auto", "always", "never"] = Field(
        "auto", description="in the GPU's memory: `auto` if they fit into half of what is free; changes no result"
    )


class StoreSettings(Declared):
    """Perturbation stores."""

    compression: Literal["gzip", "blosc"] = Field(
        "gzip", description="`gzip`: any HDF5 tool reads it; `blosc`: faster, needs the package hdf5plugin"
    )


class SimilaritySettings(Declared):
    """How like the perturbed image is to the original."""

    color: Literal["rgb", "gray"] = Field("rgb", description="PASS of these images decides; both are stored")
    engine: Literal["auto", "cpu", "torch"] = Field(
        "auto",
        description="`cpu` (numba), `torch`, or `auto`: torch where there is a GPU; scores are made anew when the word "
        "changes",
    )
    metrics: dict[str, str] = _group(dict, "more similarities: column of the attempts -> `FILE.py:FUNCTION`")


class AnalysisSettings(Declared):
    """Tables and figures."""

    thresholds: list[Share] = Field(
        [0, 0.9, 0.95, 0.99], min_length=1, description="of PASS, in the table of flips by PASS (Table 1)"
    )
    threshold: Share = Field(0.95, description="of PASS, from which on a flipped image counts as adversarial")
    intervals: bool = Field(True, description="95 % intervals in the tables")
    scan_images: int = Field(
        100, ge=0, le=1_000_000_000, description="line searches are repeated on so many with every whole epsilon"
    )
    order: Literal["official", "clustered"] = Field(
        "official", description="of the attributes in matrices: official, or related ones side by side"
    )
    transfer: Literal["first", "all"] = Field(
        "first", description="networks whose adversarial images are shown to others: the first of each `per`, or all"
    )
    between: Literal["brought", "all", "none"] = Field(
        "brought",
        description="adversarial images are shown to other networks that decide on the same attribute, where one of "
        "the two was trained elsewhere (`brought`), or `all`, or `none`",
    )


class ProductSettings(Declared):
    """A table or figure of one's own; see docs/extending.md."""

    file: Annotated[str, AfterValidator(from_home)] = Field(
        pattern=r"\.py$", description="with `compute` and `sheets` (table) or `draw` (figure)"
    )
    title: str = Field(min_length=1, description="a few words")
    inputs: list[str] = Field(
        min_length=1, description="what it is made from: `attempts`, `predictions`, ..., or tables"
    )
    part: Literal[PARTS] = Field("Adversarial images", description="part of the report")

    @property
    def product(self) -> Product:
        """What the workflow makes of it."""
        return Product(self.title, tuple(self.inputs), self.file, self.part, options=True)


def _all_or_a_list(value: Any) -> Any:
    if value == "all" or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        return value
    raise PydanticCustomError("attributes", "expected `all` or a list of attributes")


class Settings(Declared):
    """A configuration. Null takes the default; in the lists of named things it removes the entry."""

    seed: int = Field(
        2018, ge=0, le=MAX_SEED, description="all that is random follows from it, but for what has a `seed` of its own"
    )
    dataset: DatasetSettings = _group(DatasetSettings, "faces and labels")
    synthetic: SyntheticSettings = _group(SyntheticSettings, "the look-alike, used where `dataset.celeba` is null")
    samples: dict[str, SampleSettings] = _group(dict, "named draws that are attacked")
    attributes: Annotated[str | list[str], BeforeValidator(_all_or_a_list)] = Field(
        "all", description="those that are attacked, and have networks of their own: `all`, or a list"
    )
    architecture: ArchitectureOptions = _group(ArchitectureOptions, "of all networks, unless they say otherwise")
    training: TrainingOptions = _group(TrainingOptions, "of all networks, unless they say otherwise")
    networks: dict[str, NetworkSettings] = _group(dict, "named networks")
    attacks: dict[str, AttackSettings] = _group(dict, "named attacks with their options")
    experiments: dict[str, dict[str, dict[str, list[str]]]] = _group(
        dict, "sample -> network -> checkpoint (`converged`, `epochN`, `given`) -> attacks"
    )
    compute: ComputeSettings = _group(ComputeSettings, "where and how jobs compute")
    store: StoreSettings = _group(StoreSettings, "perturbation stores")
    similarity: SimilaritySettings = _group(SimilaritySettings, "PASS and others")
    analysis: AnalysisSettings = _group(AnalysisSettings, "tables and figures")
    tables: dict[str, ProductSettings] = _group(dict, "tables of one's own")
    figures: dict[str, ProductSettings] = _group(dict, "figures of one's own")

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Settings":
        """Check a configuration that was merged; raises UserError with every fault, each with the path of its key."""
        if text := text_for_today(config):
            raise UserError(
                "the configuration has keys of faceflip 0.1. Put this in their place (CHANGELOG.md says why):\n\n"
                + text
            )
        cleaned = _without_nulls(config, cls)
        networks = as_mapping(cleaned.get("networks"))
        overrides = {name: each for name, each in networks.items() if isinstance(each, Mapping)}
        inheriting = {
            name: {**each, **{group: merged(cleaned.get(group, {}), each.get(group, {})) for group in INHERITED}}
            for name, each in overrides.items()
            if "file" not in each
        }
        faults = [
            f"networks.{name}.training.checkpoints: all networks keep the same; set training.checkpoints"
            for name, each in overrides.items()
            if "checkpoints" in as_mapping(each.get("training"))
        ]
        try:
            whole = cls.model_validate({**cleaned, **({"networks": {**networks, **inheriting}} if overrides else {})})
            settings = whole.model_copy(update={"experiments": _remaining(whole.experiments, config)})
            faults = faults or list(settings._contradictions())
        except ValidationError as error:
            faults = [*_reported(error, overrides), *faults]
        if faults:
            raise UserError(
                "the configuration has faults (docs/configuration.md explains every key):\n  " + "\n  ".join(faults)
            )
        return settings

    def seed_of(self, group: SyntheticSettings | SampleSettings | TrainingOptions) -> int:
        """Return the seed of what may have one of its own."""
        return self.seed if group.seed is None else group.seed

    @property
    def known_tables(self) -> Mapping[str, Product]:
        """The package's tables that the run has: of other attributes than CelebA's nothing is in print."""
        return {name: each for name, each in TABLES.items() if self.dataset.table is None or not each.in_print}

    @property
    def attacked(self) -> tuple[str, ...]:
        """The attributes that are attacked, in the order in which their attempts are numbered."""
        return self.dataset.attributes if self.attributes == "all" else tuple(self.attributes)

    def files_of_own(self) -> Iterator[tuple[str, str]]:
        """Yield the key and the path of each file of the user's that the configuration names."""
        references = {f"similarity.metrics.{name}": each for name, each in self.similarity.metrics.items()}
        for name, network in self.networks.items():
            references |= {f"networks.{name}.loss": network.loss}
            references |= {f"networks.{name}.architecture.name": network.architecture.name}
            references |= {f"networks.{name}.file": network.file}
            yield from ((f"networks.{name}.{key}", file) for key, file in network.files)
        for name, attack in self.attacks.items():
            references |= {f"attacks.{name}.{key}": getattr(attack, key) for key in ("direction", "search", "file")}
        for key, reference in references.items():
            if reference and (file := own_file(reference)):
                yield key, str(file)
        for kind, products in (("tables", self.tables), ("figures", self.figures)):
            yield from ((f"{kind}.{name}.file", product.file) for name, product in products.items())

    def _contradictions(self) -> Iterator[str]:
        """Yield faults that lie in several keys, in names, or in what there is."""
        try:
            self.dataset.attributes, self.dataset.size  # noqa: B018
        except UserError as error:
            yield from (f"dataset: {line}" for line in str(error).splitlines())
            return  # most others are about what it has
        yield from self._faults_of_names()
        yield from self._faults_of_attributes()
        for name, network in self.networks.items():
            yield from _unless_found(f"networks.{name}.loss", find_loss, network.loss)
            yield from _unless_found(f"networks.{name}.architecture.name", find_architecture, network.architecture.name)
        yield from self._faults_of_attacks()
        yield from self._faults_of_experiments()
        for key, file in self.files_of_own():
            if not Path(file).is_file():
                yield f"{key}: {file}: no such file; paths are seen from {Path.cwd()}"
            elif {*"{}"} & {*file}:
                yield f"{key}: {file}: Snakemake takes braces in paths for wildcards; rename the file or its folder"
        if self.dataset.drawn:
            yield from self.faults_of_sizes({split: getattr(self.synthetic, split) for split in SPLITS})
        if self.analysis.threshold not in self.analysis.thresholds:
            yield f"analysis.threshold: {self.analysis.threshold:g} must be one of analysis.thresholds"
        if len(set(self.analysis.thresholds)) != len(self.analysis.thresholds):
            yield f"analysis.thresholds: {self.analysis.thresholds} names one twice"
        for kind, products, known in (
            ("tables", self.tables, TABLES | TABLES_BETWEEN),
            ("figures", self.figures, FIGURES),
        ):
            for name, product in products.items():
                if name in known:
                    yield f"{kind}.{name}: there is one of this name already; call it otherwise"
                tables = (*self.known_tables, *self.tables)
                roles = [*INPUTS, *(table for table in tables if (kind, table) != ("tables", name))]
                for position, role in enumerate(product.inputs):
                    if role not in roles:
                        found = f"{role!r} is none of {', '.join(roles)}"
                        yield f"{kind}.{name}.inputs[{position}]: {found}{did_you_mean(role, roles)}"
        for name, reference in self.similarity.metrics.items():
            if name in COLUMNS or not NAME.fullmatch(name):
                yield f"similarity.metrics.{name}: no name of a new column; call it otherwise"
            if not is_reference(reference):
                yield f"similarity.metrics.{name}: expected FILE.py:FUNCTION, found {reference!r}"

    def _faults_of_names(self) -> Iterator[str]:
        for kind in ("samples", "networks", "attacks", "tables", "figures"):
            for name in getattr(self, kind):
                if not NAME.fullmatch(name):
                    yield f"{kind}.{name}: a name begins with a letter and has letters, digits and . _ + - alone"
        if not self.samples:
            yield "samples: there is none; name one, such as paper: {images: 100}"
        if not self.networks:
            yield "networks: there is none; name one, such as moon: {loss: euclidean, per: all}"
        methods: dict[str, str] = {}
        titled: dict[str, str] = {}
        for name, network in self.networks.items():
            for checkpoint in network.checkpoints:
                method = name if checkpoint in FINAL else f"{name}_{checkpoint}"
                if method in OTHER_METHODS or methods.setdefault(method, name) != name:
                    yield f"networks.{name}: tables have another method {method}; call it otherwise"
            if network.title and titled.setdefault(network.title, name) != name:
                yield f"networks.{name}.title: {network.title!r} is the title of {titled[network.title]} already"

    def _faults_of_attributes(self) -> Iterator[str]:
        lists = {"attributes": self.attacked}
        lists |= {f"networks.{name}.attributes": each.attributes or () for name, each in self.networks.items()}
        known, whose = self.dataset.attributes, self.dataset.table or "CelebA"
        for key, names in lists.items():
            if self.dataset.table and names and not {*names} & {*known}:  # those of config.yaml, say
                yield f"{key}: none is a column of {whose}, which has {first_of(known, 8)}; set attributes: all"
                continue
            for position, name in enumerate(names):
                if name not in known:
                    yield f"{key}[{position}]: {name!r} is not an attribute of {whose}{did_you_mean(name, known)}"
            if len(set(names)) != len(names):
                yield f"{key}: {list(names)} names one twice"
        if not self.attacked:
            yield "attributes: the list is empty"

    def _faults_of_attacks(self) -> Iterator[str]:
        called: dict[tuple[str, str], str] = {}
        for name, attack in self.attacks.items():
            try:
                known = options_of(attack.attack(name))
            except UserError as error:
                yield f"attacks.{name}: {str(error).removeprefix('option ')}"
                continue
            parts = parts_of(name, find_search(attack.attack(name).search).kind)
            if called.setdefault(parts, name) != name:
                words = f"{' by '.join(parts)}, as they do {called[parts]}"
                yield f"attacks.{name}: tables call it {words}; call it otherwise"
            for key in attack.model_fields_set - known:
                yield f"attacks.{name}.{key}: unknown key{did_you_mean(key, known)}"

    def _faults_of_experiments(self) -> Iterator[str]:
        for sample, networks in self.experiments.items():
            yield from _unless_found(f"experiments.{sample}", look_up, self.samples, sample, "sample")
            for network, checkpoints in networks.items():
                yield from _unless_found(f"experiments.{sample}.{network}", look_up, self.networks, network, "network")
                if network not in self.networks:
                    continue
                known = self.networks[network].checkpoints
                for checkpoint, attacks in checkpoints.items():
                    key = f"experiments.{sample}.{network}.{checkpoint}"
                    if checkpoint not in known:
                        given = self.networks[network].file
                        listed = "it was trained elsewhere" if given else "see training.checkpoints"
                        yield f"{key}: {network} keeps no such checkpoint, it has {', '.join(known)} ({listed})"
                    yield from self._faults_of_experiment(key, self.networks[network], attacks)

    def _faults_of_experiment(self, key: str, network: NetworkSettings, attacks: Sequence[str]) -> Iterator[str]:
        for position, name in enumerate(attacks):
            if name not in self.attacks:
                known = ", ".join(self.attacks)
                yield f"{key}[{position}]: {name!r} is none of {known}, see attacks{did_you_mean(name, self.attacks)}"
                continue
            attack = self.attacks[name]
            try:
                whole = find_direction(attack.attack(name).direction).whole_loss
            except UserError:  # told of the attack itself
                continue
            several = network.per == "all" and len(network.attributes or self.dataset.attributes) != 1
            if several and whole and attack.fgs_scope == "network":
                yield (
                    f"{key}: {name} raises the loss of all attributes of the network and cannot pick one; use another "
                    f"attack, or attacks.{name}: {{fgs_scope: attribute}}"
                )
        if len(set(attacks)) != len(attacks):
            yield f"{key}: {list(attacks)} names an attack twice"

    def faults_of_sizes(self, images: Mapping[str, int]) -> Iterator[str]:
        """Yield what asks for more images than there are of its split; `images` are those of each split."""
        drawn, source = self.dataset.drawn, self.dataset.source
        asked = [(f"samples.{name}.images", each.images, each.split) for name, each in self.samples.items()]
        for name, network in self.networks.items():
            if network.file:
                continue
            asked.append((f"networks.{name}.training.batch_size", network.training.batch_size, "train"))
        for key, count, split in asked:
            if count > images[split]:
                there = f"synthetic.{split}" if drawn else f"the images of the {split} split in {source}"
                yield f"{key}: {count} is more than {there}, {images[split]}"
        for split in ("validation", "test"):
            if not images[split]:
                needed = f"{source} has no images of the {split} split, which every run needs"
                yield f"dataset: {needed}; dataset.split_shares makes the splits anew"


def checkpoint_names(training: TrainingOptions) -> list[str]:
    """Return the names of the checkpoints that a training keeps, the earliest first."""
    return [*(epoch_name(epoch) for epoch in sorted(training.checkpoints)), CONVERGED]


def epoch_name(epoch: int) -> str:
    """Return the name of the checkpoint of an epoch."""
    return f"epoch{epoch}"


def read_config(project: Path, overlays: Sequence[Path] = ()) -> dict[str, Any]:
    """Read the configuration as Snakemake does: the project's config.yaml, and overlays, of which later ones win.

    Raises UserError where a file cannot be read, holds no mapping, or has a key twice.
    """
    config: dict[str, Any] = {}
    require_unique_keys([project / "config.yaml", *overlays])
    for path in (project / "config.yaml", *overlays):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{path}: cannot be read as YAML ({error})") from error
        if not isinstance(content, dict):
            raise UserError(f"{path}: expected a mapping of keys to values, found {type(content).__name__}")
        config = merged(config, content)
    return config


def merged(below: Any, above: Any) -> Any:
    """Lay one value over another: mappings merge key by key, everything else replaces."""
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    return {key: merged(below.get(key), above[key]) if key in above else below[key] for key in below | above}


def _remaining(experiments: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the experiments without the samples, networks and attacks that the configuration removes by null."""

    def remains(kind: str, name: str) -> bool:
        named = config.get(kind, {})
        return named is not None and named.get(name, True) is not None

    return {
        sample: {
            network: {
                checkpoint: [name for name in attacks if remains("attacks", name)]
                for checkpoint, attacks in checkpoints.items()
            }
            for network, checkpoints in networks.items()
            if remains("networks", network)
        }
        for sample, networks in experiments.items()
        if remains("samples", sample)
    }


def _without_nulls(value: Any, kind: Any) -> Any:
    """Drop keys that are null, but for unknown ones, which are told; `kind` is the type of the value."""
    if not isinstance(value, Mapping):
        return value
    fields = kind.model_fields if isinstance(kind, type) and issubclass(kind, Declared) else None

    def kind_of(key: Any) -> Any:
        if fields is None:  # of dict[str, KIND]
            return (*get_args(kind), None, None)[1]
        return fields[key].annotation if key in fields else None

    return {
        key: _without_nulls(each, kind_of(key))
        for key, each in value.items()
        if each is not None or (fields is not None and key not in fields)
    }


def _reported(error: ValidationError, overrides: Mapping[str, Any]) -> Iterator[str]:
    """Yield the faults, those that networks inherit once."""
    told: set[str] = set()
    for each, fault in zip(error.errors(include_url=False), faults_of(error, Settings), strict=True):
        place = each["loc"]
        if len(place) > 2 and place[0] == "networks" and place[2] in INHERITED:
            own = as_mapping(overrides.get(place[1])).get(place[2], {})
            if isinstance(own, Mapping) and (not own or (len(place) > 3 and place[3] not in own)):
                continue
            if len(place) == 3 and fault.removeprefix(f"networks.{place[1]}.") in told:
                continue
        told.add(fault)
        yield fault


def _unless_found(key: str, find: Callable[..., object], *names: Any) -> Iterator[str]:
    try:
        find(*names)
    except UserError as error:
        yield f"{key}: {error}"
