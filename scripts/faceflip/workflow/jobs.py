"""The rules of the workflow: which files each makes, and for which wildcards.

The Snakefile takes the outputs of its rules from here, the inventories their contents, and the estimate its counts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Formatter

from faceflip.attempt import CONVERGED, GIVEN, TUNED
from faceflip.data.celeba import ANNOTATIONS, IMAGES, MISLABELLED_LABELS, PARTITION, PROVENANCE
from faceflip.io import paths
from faceflip.io.paths import Pattern, folder_of
from faceflip.workflow.network_settings import epoch_name
from faceflip.workflow.plan import ALL, Plan
from faceflip.workflow.products import Product

Wildcards = Mapping[str, str]
ONCE: tuple[Wildcards, ...] = ({},)


@dataclass(frozen=True)
class Rule:
    """A rule of the Snakefile: patterns of its outputs by their names, and the wildcards of each of its jobs.

    `part` is the inventory that lists its outputs, but for the `unlisted` ones, None for what differs from run to run.
    """

    name: str
    outputs: Mapping[str, str]
    jobs: Sequence[Wildcards] = ONCE
    part: str | None = None
    unlisted: tuple[str, ...] = ()

    @cached_property
    def wildcards(self) -> tuple[str, ...]:
        """The names of its wildcards."""
        pattern = next(iter(self.outputs.values()))
        return tuple(name for _, name, _, _ in Formatter().parse(pattern) if name)

    @property
    def log(self) -> Pattern:
        """Where a job's log is."""
        return self._own(paths.LOGS, "log")

    @property
    def benchmark(self) -> Pattern:
        """Where Snakemake writes what a job took."""
        return self._own(paths.BENCHMARKS, "tsv")

    def _own(self, folder: str, suffix: str) -> Pattern:
        return Pattern("/".join([folder, self.name, *(f"{{{name}}}" for name in self.wildcards)]) + f".{suffix}")

    def made(self, wildcards: Wildcards) -> list[str]:
        """Return the outputs of one job."""
        return [pattern.format(**wildcards) for pattern in self.outputs.values()]

    def output(self, *names: str) -> list[str]:
        """Return the files of some of its outputs, of all jobs."""
        return [self.outputs[name].format(**wildcards) for wildcards in self.jobs for name in names]

    @property
    def listed(self) -> list[str]:
        """Its outputs of all jobs that an inventory lists."""
        return self.output(*(name for name in self.outputs if name not in self.unlisted))

    @cached_property
    def files(self) -> list[str]:
        """All its outputs of all jobs."""
        return self.output(*self.outputs)


@dataclass(frozen=True)
class Bundle:
    """Members of a network that one job trains, by a rule of its own: all outputs of a rule have the same wildcards.

    It stands in for as many jobs of `instead`, and makes what these would make.
    """

    instead: Rule
    network: str
    number: int
    members: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of its rule."""
        return f"{self.instead.name}_{self.network}_{self.number}"

    @property
    def outputs(self) -> dict[str, list[str]]:
        """Patterns by the names of outputs, one a member, with the wildcard network."""
        folders = [folder_of(member) for member in self.members]
        return {
            name: [pattern.replace("{member}", folder) for folder in folders]
            for name, pattern in self.instead.outputs.items()
        }

    @property
    def jobs(self) -> tuple[Wildcards]:
        """Its one job."""
        return ({"network": self.network},)

    @property
    def log(self) -> Pattern:
        """Where its log is: beside those of single members."""
        return Pattern(self.instead.log.replace("{member}", f"bundles/{self.number}"))

    @property
    def benchmark(self) -> Pattern:
        """Where Snakemake writes what it took."""
        return Pattern(self.instead.benchmark.replace("{member}", f"bundles/{self.number}"))


def bundles_of(plan: Plan, rules: Mapping[str, Rule], is_there: Callable[[str], bool]) -> Iterator[Bundle]:
    """Yield which members are trained together, as `compute.networks_per_job` asks for.

    They follow each other in their network, and none of them is finished: what is there is left alone, and made anew
    alone where it has to be. A job of a cluster that asks again finds the same, as its own files come last.
    """
    train, size = rules["train_network"], plan.settings.compute.networks_per_job
    for network in plan.trained:
        for number, members in enumerate(network.in_parts(size), 1):
            files = (train.made({"network": network.name, "member": folder_of(member)}) for member in members)
            if len(members) > 1 and not any(all(map(is_there, made)) for made in files):
                yield Bundle(train, network.name, number, members)


def jobs_from_nothing(plan: Plan) -> dict[str, int]:
    """Return the number of jobs of each rule, as Snakemake counts them where nothing is there yet."""
    rules = rules_of(plan)
    counts = {name: len(rule.jobs) for name, rule in rules.items()}
    for bundle in bundles_of(plan, rules, lambda file: False):
        counts[bundle.instead.name] -= len(bundle.members)
        counts[bundle.name] = 1
    return {**{name: count for name, count in counts.items() if count}, "all": 1}


def rules_of(plan: Plan) -> dict[str, Rule]:
    """Return the rules of a run by name, in the order of its stages."""
    drawn, doubt = plan.settings.dataset.drawn, plan.settings.doubt
    trained, fine_tuned = (
        [{"network": network.name, "member": folder_of(member)} for network in networks for member in network.members]
        for networks in (plan.trained, plan.tuned)
    )
    predicted = [
        {"network": network.name, "shard": shard} for network in plan.networks.values() for shard in network.predicted
    ]
    brought = [{"network": network.name} for network in plan.networks.values() if network.brought]
    experiments = [vars(experiment) for experiment in plan.experiments]
    shards, transfers = (
        [{**vars(each), "shard": shard} for each in attacked for shard in plan.shards(each)]
        for attacked in (plan.experiments, plan.transfers)
    )
    between = [
        {**vars(each), "shard": shard}
        for each in plan.between
        for shard in plan.shards(each)
        if plan.targets_between(each, shard)
    ]
    annotated = {"annotations": ANNOTATIONS, "images": IMAGES, "partition": PARTITION, "provenance": PROVENANCE}
    annotated |= {"mislabelled": MISLABELLED_LABELS}
    faces = {name: f"{paths.SYNTHETIC}/{file}" for name, file in annotated.items()}
    packed = {"dataset": paths.DATASET, "manifest": paths.MANIFEST, "labels": paths.LABELS}
    epochs = [epoch_name(epoch) for epoch in sorted(plan.settings.training.checkpoints)]
    kept = {
        name: Pattern(paths.CHECKPOINT.replace("{checkpoint}", name)) for name in (CONVERGED, GIVEN, TUNED, *epochs)
    }
    given = {"checkpoint": kept.pop(GIVEN), "preflight": paths.PREFLIGHT}
    given = {name: Pattern(path.replace("{member}", ALL)) for name, path in given.items()}
    tuned = {"checkpoint": kept.pop(TUNED), "history": paths.TUNING, "images": paths.DIET}
    tables = {kind: Pattern(paths.TABLE.replace("{format}", kind)) for kind in ("csv", "md", "tex", "html")}
    kinds = {"pdf": "pdf", "png": "png", "caption": "txt"}
    figures = {name: Pattern(paths.FIGURE.replace("{format}", kind)) for name, kind in kinds.items()}
    figures["dark"] = paths.DARK_FIGURE
    rules = [
        Rule("synthesize_faces", faces, ONCE if drawn else (), "synthetic"),
        Rule("pack_dataset", packed, part="dataset"),
        Rule("draw_sample", {"sample": paths.SAMPLE}, [{"sample": name} for name in plan.settings.samples], "dataset"),
        Rule(
            "score_fold", {"scores": paths.FOLD_SCORES}, [{"fold": str(fold)} for fold in range(doubt.folds)], "labels"
        ),
        Rule("doubt_labels", {"doubts": paths.LABEL_DOUBT}, ONCE if plan.settings.doubt_sources else (), "labels"),
        Rule("train_network", {**kept, "history": paths.HISTORY}, trained, "networks"),
        Rule("bring_network", given, brought, "networks"),
        # Its history tells how long it took.
        Rule("fine_tune", tuned, fine_tuned, "networks", ("history",)),
        Rule("predict_network", {"predictions": paths.SHARD_PREDICTIONS}, predicted, "predictions"),
        Rule("attack_shard", {"store": paths.STORE}, shards, "attacks"),
        Rule("join_shards", {"view": paths.VIEW}, experiments, "attacks"),
        Rule("score_shard", {"scores": paths.SCORES}, shards, "scores"),
        Rule("transfer_shard", {"transfers": paths.SHARD_TRANSFERS}, transfers, "transfers"),
        Rule("transfer_between", {"transfers": paths.SHARD_BETWEEN}, between, "transfers"),
        Rule("scan_lines", {"scans": paths.SCANS}, part="transfers"),
        Rule("collect_attempts", {"attempts": paths.ATTEMPTS}, part="scores"),
        Rule("collect_predictions", {"table": paths.PREDICTIONS}, part="predictions"),
        Rule("collect_transfers", {"table": paths.TRANSFERS}, part="transfers"),
        Rule("collect_between", {"table": paths.BETWEEN}, ONCE if between or fine_tuned else (), "transfers"),
        Rule("describe_run", {"run": paths.RUN}, part="pages"),
        Rule("make_table", tables, [{"table": name} for name in plan.tables], "pages"),
        Rule("make_figure", figures, [{"figure": name} for name in plan.figures], "pages"),
        Rule("draw_gallery", {"folder": paths.GALLERY}, part="pages"),
        Rule("write_readme", {"page": paths.README}, part="pages"),
        # By the paper's names; links to what the inventories list already.
        Rule("link_paper_names", {"folder": paths.PAPER}),
        # The pages tell what the jobs took, which differs from run to run; Snakemake makes them when they are missing.
        Rule("write_index", {"page": paths.INDEX, "runtime": paths.RUNTIME}),
    ]
    parts = dict.fromkeys(rule.part for rule in rules if rule.part and rule.jobs)
    rules.append(Rule("take_inventory", {"inventory": paths.INVENTORY}, [{"part": part} for part in parts]))
    return {rule.name: rule for rule in rules}


def files_of_part(rules: Mapping[str, Rule], part: str) -> dict[str, list[str]]:
    """Return the files that an inventory lists, by the rule that makes them."""
    return {name: rule.listed for name, rule in rules.items() if rule.part == part and rule.jobs}


def inputs_of(product: Product, rules: Mapping[str, Rule]) -> dict[str, str | list[str]]:
    """Return the files that a table or figure is made from, by the roles that it names; other roles are tables."""
    files = {
        "attempts": paths.ATTEMPTS,
        "predictions": paths.PREDICTIONS,
        "transfers": paths.TRANSFERS,
        "scans": paths.SCANS,
        "between": paths.BETWEEN,
        "labels": paths.LABELS,
        "dataset": paths.DATASET,
        "stores": rules["join_shards"].files,
        "histories": rules["train_network"].output("history"),
        "preflights": rules["bring_network"].output("preflight"),
        "tunings": rules["fine_tune"].output("history"),
        "doubts": paths.LABEL_DOUBT,
    }
    # Only some runs tell which labels are in doubt; products do without elsewhere.
    roles = [role for role in product.inputs if role != "doubts" or rules["doubt_labels"].jobs]
    found = {role: files[role] if role in files else paths.TABLE.of(table=role, format="csv") for role in roles}
    return found | ({"code": product.module} if product.module.endswith(".py") else {})


def paper_links(plan: Plan, rules: Mapping[str, Rule]) -> dict[str, str]:
    """Return the files of the paper's tables and figures by the paper's own names of them, such as ``table1.csv``.

    Figures for dark screens are for the pages only.
    """
    return {
        product.paper_name + Path(pattern).suffix: pattern.format(**{kind: name})
        for kind, products in (("table", plan.tables), ("figure", plan.figures))
        for name, product in products.items()
        if product.paper
        for form, pattern in rules[f"make_{kind}"].outputs.items()
        if form != "dark"
    }


def targets(rules: Mapping[str, Rule]) -> list[str]:
    """Return the files that a whole run is asked for."""
    wanted = ("take_inventory", "write_index", "link_paper_names")
    return [file for name in wanted for file in rules[name].files]
