"""The configuration: what can be set, with types, ranges, defaults and meanings; and checking one.

The defaults are the paper's, or this project's reading of it. config.yaml sets what makes the embedded default small.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from itertools import compress
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from faceflip.attacks.options import AttackSettings, options_of
from faceflip.attempt import FIELDS, FINAL, Experiment
from faceflip.catalogue import (
    READERS,
    SIMILARITIES,
    find_architecture,
    find_direction,
    find_loss,
    find_search,
    parts_of,
)
from faceflip.data.audit import audit_faults
from faceflip.data.celeba import ATTRIBUTES, HEIGHT, SPLITS, WIDTH
from faceflip.data.celeba.finding import input_files
from faceflip.data.celeba.splits import fault_of_shares
from faceflip.data.contradictions import Contradiction, read_contradictions
from faceflip.data.label_doubt import SOURCES as DOUBT_SOURCES
from faceflip.data.reading import Reader
from faceflip.data.synthetic import MISLABELLED
from faceflip.data.table import first_size, read_columns
from faceflip.errors import UserError, did_you_mean
from faceflip.io.paths import LABEL_DOUBT, SYNTHETIC
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.brought import is_program
from faceflip.registry import is_reference, load, look_up, own_file
from faceflip.training.hyperparameters import MAX_SEED, OwnSeed, TrainingOptions
from faceflip.typed import Declared, faults_of, group, keys_of
from faceflip.wording import first_of
from faceflip.workflow.doubt_settings import NONE, DoubtSettings
from faceflip.workflow.duplicates import require_unique_keys
from faceflip.workflow.migration import as_mapping, text_for_today
from faceflip.workflow.network_settings import INHERITED, HomePath, NetworkSettings, inheriting, merged
from faceflip.workflow.products import EVERY_FIGURE, EVERY_TABLE, INPUTS, PARTS, TABLES, Product

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*(?<!\.h5)")
"""Form of the names of samples, networks, attacks, tables and figures: they are names of folders and files."""
COLUMNS = {"row", "correct", *(field.name for field in (*fields(Experiment), *FIELDS))}.union(
    *(each.columns for each in SIMILARITIES.values())
)
"""Columns of the attempts that a similarity of your own cannot take the name of."""
OTHER_METHODS = {"trivial_train", "trivial_test", "facetracer", "lnets_anet", "moon_published"}
"""What stands beside networks in the table of classification errors."""
PRIMARY_SAMPLE = "paper"
OF_TABLE = ("images", "columns", "splits")
"""Keys of `dataset` that are about a table of your own."""
CHOICES = ("subset", "split_shares", "split_seed")
"""Keys of `dataset` that say which images are taken, and how they are split."""

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Side = Annotated[int, Field(ge=32, le=1024)]
Share = Annotated[float, Field(ge=0, le=1)]
Threads = Annotated[int, Field(ge=1, le=1024)]


class DatasetSettings(Declared):
    """Faces and labels: drawn ones, CelebA, or a table of your own."""

    celeba: HomePath | None = Field(
        None,
        min_length=1,
        description="folder or zip archive of CelebA, in any form of docs/guides/celeba.md; null: draw one",
    )
    table: HomePath | None = Field(
        None,
        min_length=1,
        description="labels of your own: a CSV, TSV or Parquet file with a row an image and a column an attribute",
    )
    images: HomePath | None = Field(
        None, min_length=1, description="folder or zip archive of the table's images; null: the folder of the table"
    )
    columns: list[str] | None = Field(
        None, min_length=1, description="of the table, those that are attributes; null: all but file, split and group"
    )
    splits: HomePath | None = Field(
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

    def open(self, drawn: Path | str = SYNTHETIC) -> Reader:
        """Return what reads the faces, of a folder `drawn` if they are; raises UserError where there are none."""
        if self.table is None:
            return load(READERS["celeba"])(self.celeba or drawn, **self.choice)
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


class ThreadSettings(Declared):
    """CPU threads of the jobs of a kind; networks use that many whatever `--cores` is: last bits depend on it."""

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
    threads: ThreadSettings = group(ThreadSettings, "CPU threads of jobs")
    jobs_per_gpu: int = Field(1, ge=1, le=64, description="jobs on the same GPU at a time; changes no result")
    networks_per_job: int = Field(
        1,
        ge=1,
        le=10_000,
        description="networks of a `per: attribute` that one job trains, one after another; changes no result",
    )
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
    metrics: dict[str, str] = group(dict, "more similarities: column of the attempts -> `FILE.py:FUNCTION`")


def _all_or_names(value: Any) -> Any:
    if value == "all" or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        return value
    raise PydanticCustomError("names", "expected `all` or a list of names")


AllOrNames = Annotated[str | list[str], BeforeValidator(_all_or_names)]


class AnalysisSettings(Declared):
    """Tables and figures."""

    tables: AllOrNames = Field(
        "all", description="of the package: `all`, or a list, to which comes what these and the pages are made from"
    )
    figures: AllOrNames = Field("all", description="of the package: `all`, or a list")
    thresholds: list[Share] = Field(
        [0, 0.9, 0.95, 0.99], min_length=1, description="of PASS, in the table of flips by PASS (Table 1)"
    )
    threshold: Share = Field(0.95, description="of PASS, from which on a flipped image counts as adversarial")
    budgets: list[Annotated[float, Field(gt=0, le=65_535)]] = Field(
        [1, 2, 4, 8], min_length=1, description="largest changes of a pixel value at which robust accuracy is reported"
    )
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
    """A table or figure of your own; see docs/guides/extending.md."""

    file: HomePath = Field(pattern=r"\.py$", description="with `compute` and `sheets` (table) or `draw` (figure)")
    title: str = Field(min_length=1, description="a few words")
    inputs: list[str] = Field(
        min_length=1, description="what it is made from: `attempts`, `predictions`, ..., or tables"
    )
    part: Literal[PARTS] = Field("Adversarial images", description="part of the report")

    @property
    def product(self) -> Product:
        """What the workflow makes of it."""
        return Product(self.title, tuple(self.inputs), self.file, self.part, options=True)


class Settings(Declared):
    """A configuration. Null takes the default; in the lists of named things it removes the entry."""

    seed: int = Field(
        2018, ge=0, le=MAX_SEED, description="all that is random follows from it, but for what has a `seed` of its own"
    )
    dataset: DatasetSettings = group(DatasetSettings, "faces and labels")
    synthetic: SyntheticSettings = group(SyntheticSettings, "the look-alike, used where `dataset.celeba` is null")
    samples: dict[str, SampleSettings] = group(dict, "named draws that are attacked")
    attributes: AllOrNames = Field(
        "all", description="those that are attacked, and have networks of their own: `all`, or a list"
    )
    architecture: ArchitectureOptions = group(ArchitectureOptions, "of all networks, unless they say otherwise")
    training: TrainingOptions = group(TrainingOptions, "of all networks, unless they say otherwise")
    networks: dict[str, NetworkSettings] = group(dict, "named networks")
    attacks: dict[str, AttackSettings] = group(dict, "named attacks with their options")
    experiments: dict[str, dict[str, dict[str, list[str]]]] = group(
        dict, "sample -> network -> checkpoint (`converged`, `epochN`, `given`, `tuned`) -> attacks"
    )
    compute: ComputeSettings = group(ComputeSettings, "where and how jobs compute")
    store: StoreSettings = group(StoreSettings, "perturbation stores")
    similarity: SimilaritySettings = group(SimilaritySettings, "PASS and others")
    analysis: AnalysisSettings = group(AnalysisSettings, "tables and figures")
    doubt: DoubtSettings = group(DoubtSettings, "labels in doubt")
    tables: dict[str, ProductSettings] = group(dict, "tables of your own")
    figures: dict[str, ProductSettings] = group(dict, "figures of your own")

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
        completed, faults = inheriting(networks, cleaned)
        faults += [
            f"networks.{name}.training.checkpoints: all networks keep the same; set training.checkpoints"
            for name, each in overrides.items()
            if "checkpoints" in as_mapping(each.get("training")) and "from" not in each
        ]
        try:
            whole = cls.model_validate({**cleaned, **({"networks": completed} if overrides else {})})
            settings = whole.model_copy(update={"experiments": _remaining(whole.experiments, config)})
            faults = faults or list(settings._contradictions())
        except ValidationError as error:
            faults = [*_reported(error, overrides), *faults]
        if faults:
            raise UserError(
                "the configuration has faults (docs/reference/configuration.md explains every key):\n  "
                + "\n  ".join(faults)
            )
        return settings

    def seed_of(self, group: SyntheticSettings | SampleSettings | TrainingOptions) -> int:
        """Return the seed of what may have one of its own."""
        return self.seed if group.seed is None else group.seed

    def seeds_of(self, network: str) -> list[int | None]:
        """Return the seeds that a network is made for: those it lists, else its source's; None for the run's."""
        settings = self.networks[network]
        if settings.seeds or settings.source is None:
            return list(settings.seeds or [None])
        return self.seeds_of(settings.origin[0])

    def names_of(self, network: str) -> dict[str, int | None]:
        """Return what the networks of one entry are called, one a seed, each with its seed."""
        return {network if seed is None else f"{network}-seed{seed}": seed for seed in self.seeds_of(network)}

    def root_of(self, network: str) -> NetworkSettings:
        """Return the network that a fine-tuned one goes back to; of others themselves."""
        settings = self.networks[network]
        return self.root_of(settings.origin[0]) if settings.source else settings

    @property
    def fed(self) -> tuple[str, ...]:
        """The samples whose attempts networks are fine-tuned on."""
        return tuple(dict.fromkeys(network.sample for network in self.networks.values() if network.of_store))

    @property
    def primary_sample(self) -> str:
        """The sample that tables and figures are about, unless they say otherwise."""
        judging = [name for name in self.samples if name not in self.fed]
        return PRIMARY_SAMPLE if PRIMARY_SAMPLE in self.samples else next(iter(judging or self.samples))

    def apart_from(self, sample: str) -> tuple[str, ...]:
        """Return the samples whose images a sample does without: one that networks are fine-tuned on shares none."""
        if sample not in self.fed:
            return ()
        split = self.samples[sample].split
        return tuple(name for name, each in self.samples.items() if name not in self.fed and each.split == split)

    @cached_property
    def rules(self) -> tuple[Contradiction, ...]:
        """The rules that labels may contradict, as far as the dataset has their attributes."""
        if self.doubt.rules == NONE:
            return ()
        return read_contradictions(self.doubt.rules_file, self.dataset.attributes)

    @property
    def doubt_sources(self) -> tuple[str, ...]:
        """What says which labels are in doubt, of `faceflip.data.label_doubt.SOURCES`."""
        there = (any(not rule.soft for rule in self.rules), bool(self.doubt.folds), bool(self.doubt.audited))
        return tuple(compress(DOUBT_SOURCES, there))

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
            if network.doubts and not self.makes(network.doubts):
                yield f"networks.{name}.doubts", network.doubts
        yield from ((f"doubt.{key}", file) for key, file in self.doubt.files)
        references |= {"doubt.architecture.name": self.doubt.architecture.name}
        for name, attack in self.attacks.items():
            references |= {f"attacks.{name}.{key}": getattr(attack, key) for key in ("direction", "search", "file")}
        for key, reference in references.items():
            if reference and (file := own_file(reference)):
                yield key, str(file)
        for kind, products in (("tables", self.tables), ("figures", self.figures)):
            yield from ((f"{kind}.{name}.file", product.file) for name, product in products.items())

    def makes(self, doubts: str) -> bool:
        """Return whether the run makes a file of labels in doubt that a network names."""
        return doubts == LABEL_DOUBT or (self.dataset.drawn and Path(doubts).is_relative_to(SYNTHETIC))

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
        yield from self._faults_of_tunings()
        yield from self._faults_of_attacks()
        yield from self._faults_of_experiments()
        for key, file in self.files_of_own():
            if not Path(file).is_file():
                yield f"{key}: {file}: no such file; paths are seen from {Path.cwd()}"
            elif {*"{}"} & {*file}:
                yield f"{key}: {file}: Snakemake takes braces in paths for wildcards; rename the file or its folder"
        yield from self._faults_of_doubt()
        if self.dataset.drawn:
            yield from self.faults_of_sizes({split: getattr(self.synthetic, split) for split in SPLITS})
        if self.analysis.threshold not in self.analysis.thresholds:
            yield f"analysis.threshold: {self.analysis.threshold:g} must be one of analysis.thresholds"
        if len(set(self.analysis.thresholds)) != len(self.analysis.thresholds):
            yield f"analysis.thresholds: {self.analysis.thresholds} names one twice"
        for kind, products, known in (
            ("tables", self.tables, EVERY_TABLE),
            ("figures", self.figures, EVERY_FIGURE),
        ):
            chosen = getattr(self.analysis, kind)
            for name in [] if chosen == "all" else chosen:
                if name not in known:
                    yield f"analysis.{kind}: {name!r} is none of {', '.join(known)}{did_you_mean(name, known)}"
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
            made = dict.fromkeys([name, *self.names_of(name)])
            ends = ["" if checkpoint in FINAL else f"_{checkpoint}" for checkpoint in network.checkpoints]
            for method in (each + end for each in made for end in ends):
                if method in OTHER_METHODS or methods.setdefault(method, name) != name:
                    yield f"networks.{name}: tables have another method {method}; call it otherwise"
            if network.title and titled.setdefault(network.title, name) != name:
                yield f"networks.{name}.title: {network.title!r} is the title of {titled[network.title]} already"

    def _faults_of_tunings(self) -> Iterator[str]:
        for name, network in self.networks.items():
            if network.source is None:
                continue
            key, (source, checkpoint) = f"networks.{name}", network.origin
            of, root = self.networks[source], self.root_of(name)
            if checkpoint is not None and checkpoint not in of.checkpoints:
                known = ", ".join(of.checkpoints)
                yield f"{key}.from: {source} keeps no checkpoint {checkpoint!r}, it has {known}"
            if root.file and is_program(root.file):
                yield f"{key}.from: {root.file} is a program, which cannot be trained on; bring its code and weights"
            if of.file and network.learning_rate is None:
                yield f"{key}.learning_rate: missing; nothing says at which rate the training of {source} ended"
            own = set(network.attributes or ())
            whole = list(of.attributes or self.dataset.attributes)
            if network.per == "all" and list(network.attributes or self.dataset.attributes) != whole:
                yield f"{key}.attributes: {source} decides on all its attributes at once; remove this key"
            elif network.per != "all" and (more := own - set(of.attributes or self.attacked)):
                yield f"{key}.attributes: {source} has no network for {', '.join(sorted(more))}"
            if network.training.seed is not None and self.seeds_of(name) != [None]:
                yield f"{key}.training.seed: {source} lists `seeds`, and this is made once for each; remove this key"
            if odd := [seed for seed in network.seeds or () if {None, seed}.isdisjoint(self.seeds_of(source))]:
                yield f"{key}.seeds: {source} has no seed {', '.join(map(str, odd))}; it has {self.seeds_of(source)}"
            if network.of_store:
                yield from self._faults_of_diet(key, network, of)
        if "test" in self.samples and any(network.source for network in self.networks.values()):
            yield "samples.test: tables on fine-tuning call the test split so; call it otherwise"
        for sample in self.fed if self.samples else ():
            if sample == self.primary_sample:
                yield f"samples.{sample}: networks are fine-tuned on it; name another sample, `paper`, for tables"
            for network in self.experiments.get(sample, {}):
                if network in self.networks and self.networks[network].source:
                    yield (
                        f"experiments.{sample}.{network}: networks are fine-tuned on the sample {sample}, and none of "
                        "them is judged by it; attack it on another sample"
                    )

    def _faults_of_diet(self, key: str, network: NetworkSettings, source: NetworkSettings) -> Iterator[str]:
        yield from _unless_found(f"{key}.sample", look_up, self.samples, network.sample, "sample")
        yield from _unless_found(f"{key}.attack", look_up, self.attacks, network.attack, "attack")
        if network.attack in self.attacks:
            yield from self._faults_of_experiment(f"{key}.attack", source, [network.attack])
        if network.sample in self.samples and self.samples[network.sample].split != "train":
            yield f"samples.{network.sample}.split: networks are fine-tuned on it, so it must be of the split train"

    def _faults_of_doubt(self) -> Iterator[str]:
        there = {key: file for key, file in self.doubt.files if Path(file).is_file()}
        if len(there) < len(self.doubt.files):
            return  # what is missing is reported for all files
        if "rules" in there:
            try:
                self.rules  # noqa: B018
            except UserError as error:
                yield from (f"doubt.rules: {line}" for line in str(error).splitlines())
                return
        if "audited" in there:
            yield from (f"doubt.audited: {fault}" for fault in audit_faults(there["audited"], self.dataset.attributes))
        yield from _unless_found("doubt.architecture.name", find_architecture, self.doubt.architecture.name)
        for name, network in self.networks.items():
            if network.doubts == LABEL_DOUBT and not self.doubt_sources:
                yield (
                    f"networks.{name}.doubts: nothing in this run says which labels are in doubt; set doubt.folds, or "
                    "doubt.rules or doubt.audited to a file"
                )

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
                yield f"attacks.{name}.{key}: unknown key of this attack, which heeds {', '.join(sorted(known))}"

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
                        tuned = "it is fine-tuned" if self.networks[network].source else "see training.checkpoints"
                        listed = "it was trained elsewhere" if given else tuned
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
        for sample in (name for name in self.fed if name in self.samples):
            if apart := self.apart_from(sample):
                names, split = " and ".join([sample, *apart]), self.samples[sample].split
                needed = sum(self.samples[each].images for each in (sample, *apart))
                asked.append(
                    (f"samples: {names} share no image, as networks are fine-tuned on {sample}", needed, split)
                )
        for key, count, split in asked:
            if count > images[split]:
                there = f"synthetic.{split}" if drawn else f"the images of the {split} split in {source}"
                yield f"{key}: {count} is more than {there}, {images[split]}"
        if folds := self.doubt.folds:
            total, size = sum(images.values()), self.doubt.training.batch_size
            if total < folds:
                yield f"doubt.folds: {folds} is more than all images, {total}"
            elif size > (fewest := total - ceil(total / folds)):
                yield f"doubt.training.batch_size: {size} is more than the images without those of a fold, {fewest}"
        for split in ("validation", "test"):
            if not images[split]:
                needed = f"{source} has no images of the {split} split, which every run needs"
                yield f"dataset: {needed}; dataset.split_shares makes the splits anew"


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
    """Drop keys that are null, but for unknown ones, which are reported; `kind` is the type of the value."""
    if not isinstance(value, Mapping):
        return value
    fields = keys_of(kind) if isinstance(kind, type) and issubclass(kind, Declared) else None

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
        if len(place) > 2 and place[0] == "networks":
            said = as_mapping(overrides.get(place[1]))
            if "from" in said and place[2] not in said:
                continue
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
