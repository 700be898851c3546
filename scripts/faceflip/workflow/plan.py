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
from faceflip.attacks.options import FLOAT32, AttackSettings, heeded_by
from faceflip.attempt import Experiment
from faceflip.catalogue import (
    ATTACKS,
    COLORS,
    DIETS,
    LINE,
    LOSSES,
    SEARCHES,
    AttackEntry,
    find_loss,
    find_search,
    parts_of,
)
from faceflip.io.paths import folder_of, shard_name
from faceflip.networks.brought import is_program
from faceflip.registry import is_reference
from faceflip.workflow.network_settings import NetworkSettings
from faceflip.workflow.products import (
    FIGURES,
    FIGURES_DOUBT,
    FIGURES_TUNED,
    ON_PAGES,
    TABLES_BETWEEN,
    TABLES_DOUBT,
    TABLES_SEEDED,
    TABLES_TUNED,
    Product,
    with_sources,
)
from faceflip.workflow.settings import Settings

ALL = "all"
"""The member of a network that decides on all attributes."""
PREDICTED_TOGETHER = 8
"""Members of a network whose predictions one job makes: with small ones, most of a job for one would be its start."""


@dataclass(frozen=True)
class Part:
    """A contiguous part of the sample, to be attacked for one attribute on one member of a network."""

    attribute: str
    member: str
    start: int
    stop: int


@dataclass(frozen=True)
class PlannedNetwork:
    """A network of the configuration: one for each of its attributes, or one for all; trained, brought or fine-tuned.

    `attacked` are those of its attributes that are attacked, in the order in which their attempts are numbered. It is
    called `title` on pages, and `short` in figures. It is of the entry `group` of the configuration, made with `seed`
    where that lists some. `source` is what it is fine-tuned from, with its `checkpoint`, else None.
    """

    name: str
    settings: NetworkSettings
    attributes: tuple[str, ...]
    attacked: tuple[str, ...]
    title: str
    short: str
    color: str
    group: str
    seed: int | None = None
    source: "PlannedNetwork | None" = None
    checkpoint: str = ""

    @property
    def joint(self) -> bool:
        """Whether it is one network of all its attributes."""
        return self.settings.per == ALL

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The networks that it consists of: one an attribute, or `ALL`."""
        return (ALL,) if self.joint else self.attributes

    def in_parts(self, size: int) -> list[tuple[str, ...]]:
        """Return its members in parts of a size, of which the last may be smaller."""
        return [self.members[start : start + size] for start in range(0, len(self.members), size)]

    @cached_property
    def predicted(self) -> dict[str, tuple[str, ...]]:
        """Its members by the shard of predictions that they are in: one job makes those of several."""
        return {shard_name(number): part for number, part in enumerate(self.in_parts(PREDICTED_TOGETHER))}

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
    def tuned(self) -> bool:
        """Whether it is fine-tuned from another one."""
        return self.source is not None

    @property
    def root(self) -> "PlannedNetwork":
        """The network that it goes back to, which says how it is built: itself, unless it is fine-tuned."""
        return self.source.root if self.source else self

    @cached_property
    def own_code(self) -> list[str]:
        """The names of the user's code that its networks are built from: references, and programs."""
        return self.root.settings.own_code

    @property
    def library(self) -> str | None:
        """The library and version whose code builds it where it was brought: of another one it is brought anew."""
        file = self.root.settings.file
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
            **({} if self.seed is None else {"group": self.group, "seed": self.seed}),
        }

    def tuning(self) -> dict[str, Any]:
        """Return what tables and figures on fine-tuning need to know of it, as plain values."""
        settings, of_store = self.settings, self.settings.of_store
        return {
            "name": self.name,
            "group": self.group,
            "title": self.title,
            "seed": self.seed,
            "source": self.source.name,
            "source_group": self.source.group,
            "checkpoint": self.checkpoint,
            "diet": settings.heeded["diet"],
            "share": settings.heeded.get("share", 0.0),
            "epochs": settings.epochs,
            "sample": settings.sample if of_store else "",
            "attack": settings.attack if of_store else "",
            "attributes": list(self.attributes),
            "attacked": list(self.attacked),
            "batch_size": settings.training.batch_size,
            "learning_rate": settings.learning_rate,
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

        Of an attack of a library also its `library`, with the version: results of another one are made anew. A
        `search_precision` of float32 is left out, so that stores without it, from before there was this option, stay.
        """
        known = heeded_by(self.entry)
        library = version_of(self.settings.file) if self.settings.file else None
        options = {key: value for key, value in self.settings.model_dump(exclude_none=True).items() if key in known}
        if options.get("search_precision") == FLOAT32:
            del options["search_precision"]
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
        """The networks by name, one a seed: those for one attribute first, brought ones later, fine-tuned ones last.

        Within these they are ordered by loss, as overlays shuffle them.
        """

        def place(item: tuple[str, NetworkSettings]) -> tuple[bool, bool, int]:
            network = item[1]
            return network.per == ALL, network.file is not None, [*LOSSES, network.loss].index(network.loss)

        settings = self.settings
        entries = dict(sorted(settings.networks.items(), key=place))
        names = {
            (group, seed): name
            for group, each in entries.items()
            if each.source is None
            for name, seed in settings.names_of(group).items()
        }
        titles = {group: _titles(group, entries[group]) for group, _ in names}
        shorts = [short for _, short in titles.values()]
        colors = _colors({name: entries[group] for (group, _), name in names.items()})
        for group, (title, short) in titles.items():
            if entries[group].title is None and shorts.count(short) > 1:  # several of one loss: names tell them apart
                titles[group] = f"{title} ({group})", group
        made = {}
        for (group, seed), name in names.items():
            title, short = titles[group]
            if seed is not None:
                title, short = f"{title}, seed {seed}", f"{short}, seed {seed}"
            made[name] = self._planned(name, group, seed, title, short, colors[name])
        return made | self._tuned(entries, made, {group: short for group, (_, short) in titles.items()})

    def _planned(self, name: str, group: str, seed: int | None, *looks: str, **source: Any) -> PlannedNetwork:
        """Return a network of the configuration; `looks` are title, short title and colour."""
        network, attacked = self.settings.networks[group], self.settings.attacked
        attributes = tuple(network.attributes or (self.settings.dataset.attributes if network.per == ALL else attacked))
        if seed is not None:
            network = network.model_copy(update={"training": network.training.model_copy(update={"seed": seed})})
        shared = tuple(attribute for attribute in attacked if attribute in attributes)
        return PlannedNetwork(name, network, attributes, shared, *looks, group, seed, **source)

    def _tuned(
        self, entries: Mapping[str, NetworkSettings], known: Mapping[str, PlannedNetwork], shorts: Mapping[str, str]
    ) -> dict[str, PlannedNetwork]:
        """Return the networks that are fine-tuned, in the order of their diets, sources before what is made of them.

        `known` are the others, `shorts` what they are called in titles.
        """
        settings, known, titles, made = self.settings, dict(known), dict(shorts), {}
        diets = list(DIETS)
        waiting = sorted(
            (group for group, each in entries.items() if each.source),
            key=lambda group: (entries[group].origin[0], diets.index(settings.networks[group].diet)),
        )
        while waiting:
            group = next(each for each in waiting if entries[each].origin[0] not in waiting)
            waiting.remove(group)
            entry, (origin, checkpoint) = entries[group], entries[group].origin
            of = settings.names_of(origin)
            title = entry.title or f"{titles[origin]}, {entry.diet}"
            titles[group] = title = f"{title} ({group})" if title in titles.values() else title
            for name, seed in settings.names_of(group).items():
                source = known[next(each for each, own in of.items() if own in (None, seed))]
                more = {"source": source, "checkpoint": checkpoint or source.final}
                made[name] = known[name] = self._planned(name, group, seed, title, title, source.color, **more)
        return made

    @property
    def main(self) -> list[PlannedNetwork]:
        """The networks that most tables and figures are about: all but fine-tuned ones."""
        return [network for network in self.networks.values() if not network.tuned]

    @property
    def tuned(self) -> list[PlannedNetwork]:
        """The networks that are fine-tuned from others."""
        return [network for network in self.networks.values() if network.tuned]

    @property
    def trained(self) -> list[PlannedNetwork]:
        """The networks that are trained here."""
        return [network for network in self.networks.values() if not network.brought and not network.tuned]

    @cached_property
    def attacks(self) -> dict[str, PlannedAttack]:
        """The attacks by name, those of the paper first."""
        attacks = self.settings.attacks
        names = sorted(attacks, key=[*ATTACKS, *attacks].index)
        return {name: PlannedAttack(name, attacks[name]) for name in names}

    @cached_property
    def experiments(self) -> tuple[Experiment, ...]:
        """All attacks to be run: those on the primary sample first, on each network those on its last checkpoint.

        Fine-tuned networks are attacked as their source is, unless the configuration says otherwise, and sources on
        the samples that networks are fine-tuned on.
        """
        made = self.settings.experiments
        fed: dict[tuple[str, str, str], list[str]] = {}
        for network in self.tuned:
            if network.settings.of_store:
                place = (network.settings.sample, network.source.name, network.checkpoint)
                fed.setdefault(place, []).append(network.settings.attack)

        def attacks(sample: str, network: PlannedNetwork, checkpoint: str) -> list[str]:
            said = made.get(sample, {}).get(network.group, {}).get(checkpoint, [])
            if network.tuned and not any(network.group in networks for networks in made.values()):
                said = [] if sample in self.settings.fed else attacks(sample, network.source, network.checkpoint)
            return list(dict.fromkeys([*said, *fed.get((sample, network.name, checkpoint), [])]))

        return tuple(
            Experiment(sample, network.name, checkpoint, attack)
            for sample in sorted(dict.fromkeys([*made, *self.settings.fed]), key=lambda name: name != self.sample)
            for network in self.networks.values()
            for checkpoint in [network.final, *network.checkpoints[:-1]]
            for attack in attacks(sample, network, checkpoint)
            if network.attacked
        )

    @property
    def sample(self) -> str:
        """The sample that tables and figures are about, unless they say otherwise."""
        return self.settings.primary_sample

    def samples_of(self, network: str) -> tuple[str, ...]:
        """Return the samples that a network is shown: those it is attacked on, and the primary one.

        Fine-tuned ones are also shown those that they, or others of their source, were fine-tuned on.
        """
        attacked = (each.sample for each in self.experiments if each.network == network)
        source = self.networks[network].source
        fed = (each.settings.sample for each in self.tuned if each.source is source and each.settings.of_store)
        return tuple(dict.fromkeys([self.sample, *attacked, *(fed if source else ())]))

    @cached_property
    def held_out(self) -> tuple[str, ...]:
        """The samples whose training images take no part in fine-tuning, as networks are judged by them."""
        judged = dict.fromkeys([self.sample, *(each.sample for each in self.experiments)])
        samples, fed = self.settings.samples, self.settings.fed
        return tuple(name for name in judged if name not in fed and samples[name].split == "train")

    def fodder(self, network: PlannedNetwork, member: str) -> tuple[Experiment, list[str]] | None:
        """Return the experiment whose attempts a member is fine-tuned on, and the shards that have its own, or None."""
        if not network.settings.of_store or not set(network.attacked) & set(network.attributes_of(member)):
            return None
        settings = network.settings
        experiment = Experiment(settings.sample, network.source.name, network.checkpoint, settings.attack)
        shards = self.shards(experiment)
        return experiment, [each for each in shards if member in self.members_of_shard(experiment, each)]

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
        methods = {name: each for name, each in self._methods.items() if not self.networks[name].tuned}
        shown = {self.networks[name].joint: name for name in reversed(self.networks) if name in methods}
        names = methods if self.settings.analysis.transfer == "all" else shown.values()

        def chosen(experiment: Experiment) -> bool:
            network, (_, kind) = self.networks[experiment.network], self.attacks[experiment.attack].parts
            fits = experiment.checkpoint == network.final if network.joint else kind == LINE
            return experiment.sample == self.sample and network.name in names and self._leads(experiment) and fits

        return tuple(filter(chosen, self.experiments))

    @cached_property
    def _methods(self) -> dict[str, list[str]]:
        """The methods that each network is judged by."""
        methods: dict[str, list[str]] = {}
        for each in (each for each in self.experiments if each.sample not in self.settings.fed):
            methods.setdefault(each.network, []).append(self.attacks[each.attack].parts[0])
        return methods

    def _leads(self, experiment: Experiment) -> bool:
        """Return whether an experiment is by FFA, or by its network's first method where FFA was not run."""
        methods = self._methods.get(experiment.network, [""])
        return self.attacks[experiment.attack].parts[0] == ("ffa" if "ffa" in methods else methods[0])

    @cached_property
    def between(self) -> tuple[Experiment, ...]:
        """Experiments whose adversarial images are shown to other networks that decide on the attacked attribute.

        They are on last checkpoints, or on those that others are fine-tuned from; by FFA where it was run, and by line
        search where that was run.
        """
        found = [
            each
            for each in self.experiments
            if each.sample not in self.settings.fed and self._leads(each) and self.others(each)
        ]
        by_line = {self._state(each) for each in found if self.attacks[each.attack].parts[1] == LINE}
        return tuple(
            each for each in found if self._state(each) not in by_line or self.attacks[each.attack].parts[1] == LINE
        )

    @staticmethod
    def _state(experiment: Experiment) -> tuple[str, str, str]:
        return experiment.sample, experiment.network, experiment.checkpoint

    def others(self, experiment: Experiment) -> tuple[PlannedNetwork, ...]:
        """Return the other networks that the adversarial images of an experiment are shown to.

        On every sample they are those that are fine-tuned from the attacked one.
        """
        source, which = self.networks[experiment.network], self.settings.analysis.between
        whole = (experiment.sample, experiment.checkpoint) == (self.sample, source.final) and not source.tuned

        def shown(target: PlannedNetwork) -> bool:
            if target.tuned:
                return target.source is source and target.checkpoint == experiment.checkpoint
            return whole and (which == "all" or (which == "brought" and (source.brought or target.brought)))

        return tuple(
            target
            for target in self.networks.values()
            if target.name != source.name and {*source.attacked} & {*target.attributes} and shown(target)
        )

    def targets_between(self, experiment: Experiment, shard: str) -> list[tuple[PlannedNetwork, list[str]]]:
        """Return the other networks that a shard's adversarial images are shown to, with the members that decide."""
        attributes = dict.fromkeys(part.attribute for part in self.parts(experiment, shard))
        found = [
            (other, [*dict.fromkeys(other.member_of(name) for name in attributes if name in other.attributes)])
            for other in self.others(experiment)
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
            and not self.networks[experiment.network].tuned
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
        """The tables that the run makes by name, those of your own last."""
        known = dict(self.settings.known_tables)
        if any(not other.tuned for each in self.between for other in self.others(each)):
            known |= TABLES_BETWEEN
        if any(network.seed is not None for network in self.main):
            known |= TABLES_SEEDED
        if self.tuned:
            known |= TABLES_TUNED
        if self.settings.doubt_sources:
            known |= TABLES_DOUBT
        own = {name: each.product for name, each in self.settings.tables.items()}
        if (chosen := self.settings.analysis.tables) != "all":
            sources = {role for product in [*self.figures.values(), *own.values()] for role in product.inputs}
            known = with_sources(known, {*ON_PAGES, *chosen, *sources})
        return known | own

    @cached_property
    def figures(self) -> dict[str, Product]:
        """The figures that the run makes by name, those of your own last."""
        known = {**FIGURES, **(FIGURES_TUNED if self.tuned else {})}
        if self.settings.doubt_sources:
            known |= FIGURES_DOUBT
        if (chosen := self.settings.analysis.figures) != "all":
            known = {name: each for name, each in known.items() if name in chosen}
        return known | {name: each.product for name, each in self.settings.figures.items()}

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
            f"{', '.join(network.title for network in self.main)}; {len(settings.attacked)} attributes "
            f"attacked on {sample.images:,} images of the {sample.split} split; adversarial from PASS "
            f"{settings.analysis.threshold:g} on{', of grey images' * (settings.similarity.color == 'gray')}."
        )

    @cached_property
    def own_seeds(self) -> dict[str, int]:
        """The seeds that differ from the run's, by their keys."""
        settings = self.settings
        groups = {"synthetic": settings.synthetic} if settings.dataset.drawn else {}
        groups |= {f"samples.{name}": each for name, each in settings.samples.items()}
        of_own = [*self.trained, *self.tuned]
        groups |= {f"networks.{each.name}.training": each.settings.training for each in of_own}
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
            "networks": [network.description() for network in self.main],
            "tunings": [network.tuning() for network in self.tuned],
            "samples": {
                name: each.model_dump(exclude={"seed"}) for name, each in settings.samples.items() if self.tuned
            },
            "attacks": [attack.description() for attack in self.attacks.values()],
            "transfers": [[each.network, each.checkpoint, each.attack] for each in self.transfers],
            "color": settings.similarity.color,
            "metrics": list(settings.similarity.metrics),
            "threshold": settings.analysis.threshold,
            "thresholds": list(settings.analysis.thresholds),
            "budgets": list(settings.analysis.budgets),
            "doubt": list(settings.doubt_sources),
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
