"""What a configuration asks for: networks and their members, attacks, experiments, and the shards of their attempts.

Imported while the Snakefile is parsed, so it must stay light.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import Any

from faceflip.attacks.libraries import version_of
from faceflip.attacks.options import AttackSettings, heeded_by
from faceflip.attempt import Experiment
from faceflip.catalogue import ATTACKS, COLORS, LINE, LOSSES, SEARCHES, AttackEntry, find_loss, find_search, parts_of
from faceflip.io.paths import folder_of, shard_name
from faceflip.networks.brought import is_program
from faceflip.registry import is_reference
from faceflip.workflow.products import FIGURES, TABLES_BETWEEN, Product
from faceflip.workflow.settings import PRIMARY_SAMPLE, NetworkSettings, Settings

ALL = "all"
"""The member of a network that decides on all attributes."""


@dataclass(frozen=True)
class Part:
    """A contiguous part of the sample, to be attacked for one attribute on one member of a network."""

    attribute: str
    member: str
    start: int
    stop: int


@dataclass(frozen=True)
class PlannedNetwork:
    """A network of the configuration: one for each of its attributes, or one for all; trained here, or brought.

    `attacked` are those of its attributes that are attacked, in the order in which their attempts are numbered. It is
    called `title` on pages, and `short` in figures.
    """

    name: str
    settings: NetworkSettings
    attributes: tuple[str, ...]
    attacked: tuple[str, ...]
    title: str
    short: str
    color: str

    @property
    def joint(self) -> bool:
        """Whether it is one network of all its attributes."""
        return self.settings.per == ALL

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The networks that it consists of: one an attribute, or `ALL`."""
        return (ALL,) if self.joint else self.attributes

    def member_of(self, attribute: str) -> str:
        """Return the member that decides on an attribute."""
        return ALL if self.joint else attribute

    def member_in(self, folder: str) -> str:
        """Return the member whose files are in a folder."""
        return next(member for member in self.members if folder_of(member) == folder)

    def attributes_of(self, member: str) -> tuple[str, ...]:
        """Return the attributes that a member decides on."""
        return self.attributes if member == ALL else (member,)

    @cached_property
    def checkpoints(self) -> list[str]:
        """The names of its checkpoints, the earliest first."""
        return self.settings.checkpoints

    @property
    def final(self) -> str:
        """The name of its last checkpoint: ``converged``, or ``given`` where it was brought."""
        return self.checkpoints[-1]

    @property
    def brought(self) -> bool:
        """Whether it was trained elsewhere."""
        return self.settings.file is not None

    @property
    def own_code(self) -> list[str]:
        """The names of the user's code that its networks are built from: references, and programs."""
        return self.settings.own_code

    @property
    def library(self) -> str | None:
        """The library and version whose code builds it where it was brought: of another one it is brought anew."""
        file = self.settings.file
        return version_of(file) if file and not is_program(file) else None

    @property
    def files(self) -> list[str]:
        """The files of its weights, or of its program, where it was brought."""
        return [file for _, file in self.settings.files]

    def description(self) -> dict[str, Any]:
        """Return what tables and figures need to know of it, as plain values."""
        return {
            "name": self.name,
            "title": self.title,
            "short": self.short,
            "color": self.color,
            "loss": self.settings.loss,
            "joint": self.joint,
            "attributes": list(self.attributes),
            "attacked": list(self.attacked),
            "checkpoints": self.checkpoints,
            **self._made,
        }

    @property
    def _made(self) -> dict[str, Any]:
        """Return how it is built and trained, as plain values; a brought one has no training."""
        if (brought := self.settings.brought) is not None:
            options = brought.model_dump(include={"options", "columns", "input"})
            return {"architecture": {"name": brought.file, **options}, "training": {}}
        # Its seed stands among the run's: another one is the same training, drawn again.
        return self.settings.model_dump(include={"architecture", "training"}, exclude={"training": {"seed"}})


@dataclass(frozen=True)
class PlannedAttack:
    """An attack of the configuration, by its name there, with its options."""

    name: str
    settings: AttackSettings

    @cached_property
    def entry(self) -> AttackEntry:
        """Direction, search and cost."""
        return self.settings.attack(self.name)

    @cached_property
    def parts(self) -> tuple[str, str]:
        """Method and kind of search, as tables call them."""
        return parts_of(self.name, find_search(self.entry.search).kind)

    @cached_property
    def own_code(self) -> list[str]:
        """References to the user's code that it is made of."""
        return [name for name in (self.settings.file, self.entry.direction, self.entry.search) if is_reference(name)]

    @property
    def options(self) -> dict[str, Any]:
        """The options that were set or have defaults, without those that the attack does not heed.

        Of an attack of a library also its `library`, with the version: results of another one are made anew.
        """
        known = heeded_by(self.entry)
        library = version_of(self.settings.file) if self.settings.file else None
        options = {key: value for key, value in self.settings.model_dump(exclude_none=True).items() if key in known}
        return options | ({"library": library} if library else {})

    def description(self) -> dict[str, str]:
        """Return what tables and figures need to know of it, as plain values."""
        method, kind = self.parts
        note = ""
        if self.settings.fgs_scope == "attribute":
            note = (
                "raises the loss of the attacked attribute alone (fgs_scope: attribute), not that of the whole network"
            )
        elif file := self.settings.file:
            library = version_of(file)
            note = f"{file}{f' of {library}' if library else ''}, rounded to whole pixel values"
            note += ", and a line search along what it adds" if self.settings.then else ""
        return {
            "name": self.name,
            "method": method,
            "search": kind,
            "epsilon": find_search(self.entry.search).epsilon,
            "note": note,
        }


@dataclass(frozen=True)
class Plan:
    """The attempts of a run, numbered attribute by attribute and image by image, and cut into shards of equal size."""

    settings: Settings

    @cached_property
    def networks(self) -> dict[str, PlannedNetwork]:
        """The networks by name: those for one attribute first, brought ones last, by loss; overlays shuffle them."""

        def place(item: tuple[str, NetworkSettings]) -> tuple[bool, bool, int]:
            network = item[1]
            return network.per == ALL, network.file is not None, [*LOSSES, network.loss].index(network.loss)

        networks = dict(sorted(self.settings.networks.items(), key=place))
        titles = {name: _titles(name, each) for name, each in networks.items()}
        shorts = [short for _, short in titles.values()]
        colors = _colors(networks)
        made = {}
        for name, each in networks.items():
            attacked = self.settings.attacked
            attributes = tuple(each.attributes or (self.settings.dataset.attributes if each.per == ALL else attacked))
            title, short = titles[name]
            if each.title is None and shorts.count(short) > 1:  # several of one loss: their names tell them apart
                title, short = f"{title} ({name})", name
            shared = tuple(attribute for attribute in attacked if attribute in attributes)
            made[name] = PlannedNetwork(name, each, attributes, shared, title, short, colors[name])
        return made

    @property
    def trained(self) -> list[PlannedNetwork]:
        """The networks that are trained here."""
        return [network for network in self.networks.values() if not network.brought]

    @cached_property
    def attacks(self) -> dict[str, PlannedAttack]:
        """The attacks by name, those of the paper first."""
        attacks = self.settings.attacks
        names = sorted(attacks, key=[*ATTACKS, *attacks].index)
        return {name: PlannedAttack(name, attacks[name]) for name in names}

    @cached_property
    def experiments(self) -> tuple[Experiment, ...]:
        """All attacks to be run: those on the primary sample first, on each network those on its last checkpoint."""
        made = self.settings.experiments
        return tuple(
            Experiment(sample, network.name, checkpoint, attack)
            for sample in sorted(made, key=lambda name: name != self.sample)
            for network in self.networks.values()
            for checkpoint in [network.final, *network.checkpoints[:-1]]
            for attack in made[sample].get(network.name, {}).get(checkpoint, [])
            if network.attacked
        )

    @property
    def sample(self) -> str:
        """The sample that tables and figures are about, unless they say otherwise."""
        samples = self.settings.samples
        return PRIMARY_SAMPLE if PRIMARY_SAMPLE in samples else next(iter(samples))

    def samples_of(self, network: str) -> tuple[str, ...]:
        """Return the samples that a network is shown: those it is attacked on, and the primary one."""
        attacked = (each.sample for each in self.experiments if each.network == network)
        return tuple(dict.fromkeys([self.sample, *attacked]))

    def attempts_of(self, experiment: Experiment) -> int:
        """Return the number of attempts of an experiment."""
        return len(self.networks[experiment.network].attacked) * self.settings.samples[experiment.sample].images

    def shards(self, experiment: Experiment) -> tuple[str, ...]:
        """Return the names of the shards of an experiment."""
        return tuple(map(shard_name, range(ceil(self.attempts_of(experiment) / self.settings.compute.shard_size))))

    def parts(self, experiment: Experiment, shard: str) -> list[Part]:
        """Return the parts of a shard, one an attribute that it touches."""
        network, images = self.networks[experiment.network], self.settings.samples[experiment.sample].images
        first = self.first_attempt(shard)
        last = min(first + self.settings.compute.shard_size, self.attempts_of(experiment))
        touched = range(first // images, (last - 1) // images + 1)
        parts = []
        for number in touched:
            attribute, before = network.attacked[number], number * images
            member = network.member_of(attribute)
            parts.append(Part(attribute, member, max(first - before, 0), min(last - before, images)))
        return parts

    def first_attempt(self, shard: str) -> int:
        """Return the number of a shard's first attempt."""
        return int(shard) * self.settings.compute.shard_size

    def members_of_shard(self, experiment: Experiment, shard: str) -> list[str]:
        """Return the members of the network that a shard's attempts go against, in order."""
        return list(dict.fromkeys(part.member for part in self.parts(experiment, shard)))

    @cached_property
    def transfers(self) -> tuple[Experiment, ...]:
        """Experiments whose adversarial images are shown to other members of their network, or to its other outputs.

        Of networks for one attribute those of line searches (Fig. 4), of networks for all those on the converged ones
        (Fig. 5), both by FFA where it was run.
        """
        methods = self._methods
        shown = {self.networks[name].joint: name for name in reversed(self.networks) if name in methods}
        names = methods if self.settings.analysis.transfer == "all" else shown.values()

        def chosen(experiment: Experiment) -> bool:
            network, (_, kind) = self.networks[experiment.network], self.attacks[experiment.attack].parts
            fits = experiment.checkpoint == network.final if network.joint else kind == LINE
            return experiment.sample == self.sample and network.name in names and self._leads(experiment) and fits

        return tuple(filter(chosen, self.experiments))

    @cached_property
    def _methods(self) -> dict[str, list[str]]:
        """The methods that each network is attacked by."""
        methods: dict[str, list[str]] = {}
        for each in self.experiments:
            methods.setdefault(each.network, []).append(self.attacks[each.attack].parts[0])
        return methods

    def _leads(self, experiment: Experiment) -> bool:
        """Return whether an experiment is by FFA, or by its network's first method where FFA was not run."""
        methods = self._methods[experiment.network]
        return self.attacks[experiment.attack].parts[0] == ("ffa" if "ffa" in methods else methods[0])

    @cached_property
    def between(self) -> tuple[Experiment, ...]:
        """Experiments whose adversarial images are shown to other networks that decide on the attacked attribute.

        They are on last checkpoints, by FFA where it was run, and by line search where that was run.
        """
        found = [
            each
            for each in self.experiments
            if each.sample == self.sample
            and each.checkpoint == self.networks[each.network].final
            and self._leads(each)
            and self.others(each.network)
        ]
        by_line = {each.network for each in found if self.attacks[each.attack].parts[1] == LINE}
        return tuple(
            each for each in found if each.network not in by_line or self.attacks[each.attack].parts[1] == LINE
        )

    def others(self, network: str) -> tuple[PlannedNetwork, ...]:
        """Return the other networks that its adversarial images are shown to."""
        source, which = self.networks[network], self.settings.analysis.between
        return tuple(
            target
            for target in self.networks.values()
            if target.name != network
            and {*source.attacked} & {*target.attributes}
            and (which == "all" or (which == "brought" and (source.brought or target.brought)))
        )

    def targets_between(self, experiment: Experiment, shard: str) -> list[tuple[PlannedNetwork, list[str]]]:
        """Return the other networks that a shard's adversarial images are shown to, with the members that decide."""
        attributes = dict.fromkeys(part.attribute for part in self.parts(experiment, shard))
        found = [
            (other, [*dict.fromkeys(other.member_of(name) for name in attributes if name in other.attributes)])
            for other in self.others(experiment.network)
        ]
        return [(other, members) for other, members in found if members]

    @cached_property
    def scanned(self) -> tuple[Experiment, ...]:
        """Line searches on last checkpoints, of which some attempts are repeated by trying every whole epsilon."""
        if not self.settings.analysis.scan_images:
            return ()
        line = SEARCHES["doubling"].target
        return tuple(
            experiment
            for experiment in self.experiments
            if (experiment.sample, experiment.checkpoint) == (self.sample, self.networks[experiment.network].final)
            and (search := self.attacks[experiment.attack].entry.search) != "scan"
            and find_search(search).target == line
        )

    @cached_property
    def scanned_code(self) -> list[str]:
        """References to the user's code that the repeated attempts need."""
        of = [(self.networks[each.network], self.attacks[each.attack]) for each in self.scanned]
        return list(dict.fromkeys(name for pair in of for each in pair for name in each.own_code))

    @cached_property
    def tables(self) -> dict[str, Product]:
        """All tables by name, those of one's own last."""
        between = TABLES_BETWEEN if self.between else {}
        own = {name: each.product for name, each in self.settings.tables.items()}
        return {**self.settings.known_tables, **between, **own}

    @cached_property
    def figures(self) -> dict[str, Product]:
        """All figures by name, those of one's own last."""
        return {**FIGURES, **{name: each.product for name, each in self.settings.figures.items()}}

    @property
    def line(self) -> str:
        """One sentence on the run for the captions of Snakemake's report, before the images are counted."""
        settings, synthetic = self.settings, self.settings.synthetic
        images = f"the images of {settings.dataset.source}"
        if settings.dataset.drawn:
            images = f"{synthetic.train:,} / {synthetic.validation:,} / {synthetic.test:,} drawn faces"
        width, height = settings.dataset.size
        sample = settings.samples[self.sample]
        return (
            f"Run with seed {settings.seed}: {images} to train, validate and test, {width} x {height} pixels; networks "
            f"{', '.join(network.title for network in self.networks.values())}; {len(settings.attacked)} attributes "
            f"attacked on {sample.images:,} images of the {sample.split} split; adversarial from PASS "
            f"{settings.analysis.threshold:g} on{', of grey images' * (settings.similarity.color == 'gray')}."
        )

    @cached_property
    def own_seeds(self) -> dict[str, int]:
        """The seeds that differ from the run's, by their keys."""
        settings = self.settings
        groups = {"synthetic": settings.synthetic} if settings.dataset.drawn else {}
        groups |= {f"samples.{name}": each for name, each in settings.samples.items()}
        groups |= {f"networks.{each.name}.training": each.settings.training for each in self.trained}
        seeds = {f"{key}.seed": settings.seed_of(group) for key, group in groups.items()}
        return {key: seed for key, seed in seeds.items() if seed != settings.seed}

    def description(self) -> dict[str, Any]:
        """Return what decides what a run's numbers mean, as plain values, without the attacks' options."""
        settings = self.settings
        return {
            "seed": settings.seed,
            "seeds": self.own_seeds,
            "sample": {"name": self.sample, **settings.samples[self.sample].model_dump(exclude={"seed"})},
            "dataset_attributes": list(settings.dataset.attributes),
            "attacked": list(settings.attacked),
            "networks": [network.description() for network in self.networks.values()],
            "attacks": [attack.description() for attack in self.attacks.values()],
            "transfers": [[each.network, each.checkpoint, each.attack] for each in self.transfers],
            "color": settings.similarity.color,
            "metrics": list(settings.similarity.metrics),
            "threshold": settings.analysis.threshold,
            "thresholds": list(settings.analysis.thresholds),
        }


def _titles(name: str, network: NetworkSettings) -> tuple[str, str]:
    """Return the name of a network on pages and in figures."""
    if network.title:
        return network.title, network.title
    loss = find_loss(network.loss).title
    if network.file:
        return f"{name} ({Path(network.file.partition(':')[0]).name}, {loss} loss)", name
    if network.per == ALL:
        return f"one network, {loss} loss", f"{loss}, joint"
    return f"separate networks, {loss} loss", loss


def _colors(networks: Mapping[str, NetworkSettings]) -> dict[str, str]:
    """Return a colour for each network: that of its loss where it is free, else the next free one."""
    own = {name: find_loss(each.loss).colors[each.per == ALL] for name, each in networks.items()}
    first = {color: name for name, color in reversed(own.items())}
    free = cycle([color for color in COLORS if color not in first] or COLORS)
    return {name: color if color and first[color] == name else next(free) for name, color in own.items()}
