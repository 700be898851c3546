"""Made-up tables of the right shape: to try a new table or figure, to test and to time them, without a run.

Nothing in them was measured. They are consistent: an image has one label and one score per network, all attacks on it
start from that score, transfers exist for exactly the adversarial images, and these flip their own attribute.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from faceflip.analysis.make import make_table
from faceflip.analysis.run import CONVERGED, RunDescription, RunNetwork, describe
from faceflip.catalogue import ITERATIVE, LINE, PAPER_ATTACKS, find_direction, find_search
from faceflip.data.celeba import ATTRIBUTES, HEIGHT, WIDTH
from faceflip.data.label_doubt import COLUMNS as DOUBTS
from faceflip.io.paths import INDEX, MANIFEST, RESULTS, TABLE
from faceflip.outcomes import Outcome
from faceflip.stages.collect import COLUMNS
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.workflow.plan import ALL, Plan
from faceflip.workflow.products import Product
from faceflip.workflow.settings import PRIMARY_SAMPLE, Settings, merged

NETWORKS = {
    "euclidean": {"loss": "euclidean"},
    "softmax": {"loss": "softmax"},
    "moon": {"loss": "euclidean", "per": ALL, "title": "MOON"},
}
"""The paper's, as the configuration has them."""
EVERY_KIND = {
    **NETWORKS,
    "bce": {"loss": "bce"},
    "softmax-all": {"loss": "softmax", "per": ALL},
    "bce-all": {"loss": "bce", "per": ALL},
}
"""A network of each loss for one attribute, and one for all."""
SMALL: dict[str, Any] = {
    **{"attributes": ("Male", "Young"), "moon_attributes": ("Male", "Young"), "sample": 12, "test": 16},
    "networks": {name: NETWORKS[name] for name in ("euclidean", "moon")},
}
"""Arguments of `specimen` for a run that is made, written and read in moments."""
QUICK_TABLES = ("classification_error", "flippability", "trainings")
"""Tables of it that take as little."""

PREDICTIONS = ["network", "checkpoint", "attribute", "split", "sample", "image", "label", "score"]
PREDICTIONS += ["logit_absent", "logit_present"]
"""The columns of the predictions table."""

Attacks = Mapping[tuple[str, str], Sequence[str]]
"""Names of attacks by network and checkpoint."""


def every_attack(networks: Mapping[str, Mapping[str, Any]] = NETWORKS, *early: str) -> Attacks:
    """Return all attacks that apply to networks, and on early checkpoints of those of one attribute the line searches.

    Args:
        networks: As the configuration has them.
        early: Names of early checkpoints, by default ``epoch2`` alone.
    """
    attacks = {}
    for name, network in networks.items():
        joint = network.get("per") == ALL
        found = [
            (attack, find_search(entry.search).kind)
            for attack, entry in PAPER_ATTACKS.items()
            if not (joint and find_direction(entry.direction).whole_loss)
        ]
        attacks[name, CONVERGED] = tuple(attack for attack, _ in found)
        lines = () if joint else tuple(attack for attack, kind in found if kind == LINE)
        attacks |= {(name, checkpoint): lines for checkpoint in early or ("epoch2",)}
    return attacks


@dataclass(frozen=True)
class Specimen:
    """Made-up inputs of the analysis, without stores: the tables, and the description of the run that never was."""

    run: RunDescription
    attempts: pd.DataFrame
    predictions: pd.DataFrame
    transfers: pd.DataFrame
    scans: pd.DataFrame
    labels: pd.DataFrame
    histories: dict[str, pd.DataFrame]
    doubts: pd.DataFrame | None = None

    def write(self, folder: Path) -> dict[str, Path | list[Path]]:
        """Write everything as the workflow's stages would, and return the paths by role; that of ``run`` too."""
        names = ("attempts", "predictions", "transfers", "scans", *(("doubts",) if self.doubts is not None else ()))
        paths = {name: folder / f"{name}.parquet" for name in names}
        for name, path in paths.items():
            getattr(self, name).to_parquet(path, index=False)
        paths |= {"labels": folder / "labels.csv", "run": folder / "run.json"}
        self.labels.to_csv(paths["labels"], index=False)
        paths["run"].write_text(self.run.to_json(), encoding="utf-8")
        histories = {folder / "networks" / name / "history.csv": history for name, history in self.histories.items()}
        for path, history in histories.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            history.to_csv(path, index=False)
        return paths | {"histories": list(histories), "stores": []}


def make_tables(
    products: Mapping[str, Product],
    inputs: Mapping[str, Path | Sequence[Path]],
    run: RunDescription,
    folder: Path,
    intervals: bool = True,
) -> dict[str, dict[str, Path]]:
    """Make tables, each from those before it, and return the paths of their files, ``TABLE.KIND``, by table and kind.

    Args:
        products: The tables by name, those first that others are made from.
        inputs: Paths by role of what is not among them.
        run: What was run.
        folder: For the files.
        intervals: Whether to write the columns of confidence intervals.
    """
    made: dict[str, dict[str, Path]] = {}
    for name, product in products.items():
        outputs = {kind: folder / f"{name}.{kind}" for kind in ("csv", "md", "tex", "html")}
        make_table(product, {**inputs, **{table: each["csv"] for table, each in made.items()}}, run, outputs, intervals)
        made[name] = outputs
    return made


def finish(
    made: Specimen, folder: Path, products: Mapping[str, Product], fingerprint: str = "0" * 64, **manifest: Any
) -> Path:
    """Lay a specimen out as a finished run in a folder, without stores and pages, and return that folder.

    Args:
        made: The run.
        folder: It gets `results`.
        products: The tables that are made, as of `make_tables`.
        fingerprint: Of the dataset: the same one means the same images and labels.
        manifest: More of what the dataset says of itself.
    """
    results = folder / RESULTS
    for place in (TABLE.of(table="all", format="csv"), MANIFEST):
        (folder / place).parent.mkdir(parents=True)
    make_tables(products, made.write(results), made.run, (folder / TABLE).parent)
    about = {"fingerprint": fingerprint, "pixel_sha256": fingerprint, "decoder": "none"} | manifest
    (folder / MANIFEST).write_text(json.dumps(about), encoding="utf-8")
    (folder / INDEX).write_text("made up", encoding="utf-8")
    return folder


def specimen(
    seed: int = 0,
    attributes: Sequence[str] = ATTRIBUTES,
    moon_attributes: Sequence[str] = ATTRIBUTES,
    sample: int = 100,
    test: int = 200,
    dataset: str = "synthetic",
    attacks: Attacks | None = None,
    networks: Mapping[str, Mapping[str, Any]] = NETWORKS,
    more: Mapping[str, Any] = MappingProxyType({}),
    unknown: Mapping[str, float] = MappingProxyType({}),
    size: tuple[int, int] = (WIDTH, HEIGHT),
    doubt: Sequence[str] = (),
) -> Specimen:
    """Make up a run.

    Args:
        seed: Of everything.
        attributes: That are attacked, and have networks of their own.
        moon_attributes: Of networks of all attributes.
        sample: Attacked images.
        test: Images of the test split.
        dataset: ``celeba``, ``synthetic`` or ``table``.
        attacks: By network and checkpoint, by default `every_attack`; networks that have no entry are left out. An
            attack that is none of the package's counts as one of the user's, along FFA.
        networks: As the configuration has them.
        more: Other keys of a configuration, laid over what follows from the rest.
        unknown: Share of the images whose label of an attribute is unknown, by attribute; 0 where it is not named.
        size: Width and height of the images.
        doubt: What says which labels are in doubt, of `faceflip.data.label_doubt.SOURCES`; it changes nothing else.
    """
    random = np.random.default_rng(seed)
    images = {"train": 8 * max(sample, test), "validation": test, "test": test}
    attacks = every_attack(networks) if attacks is None else attacks
    networks = {name: each for name, each in networks.items() if name in {network for network, _ in attacks}}
    joint = {name: {"attributes": list(moon_attributes)} for name, each in networks.items() if each.get("per") == ALL}
    run = _run(dataset, images, sample, attributes, attacks, merged({"networks": merged(networks, joint)}, more), size)
    traits = {name: _Traits(random) for name in moon_attributes}
    rows = {"sample": random.permutation(images["train"])[:sample], "test": images["train"] + test + np.arange(test)}
    truth = {
        (name, split): np.where(random.random(len(rows[split])) < traits[name].prevalence, 1, -1).astype("int8")
        for name in moon_attributes
        for split in rows
    }
    known = {
        (name, split): np.sort(random.permutation(len(rows[split]))[: round((1 - share) * len(rows[split]))])
        for name, share in unknown.items()
        for split in rows
    }
    predictions, attempts = [], []
    unattacked = {(network.name, checkpoint): () for network in run.networks for checkpoint in network.checkpoints}
    for (network, checkpoint), names in {**attacks, **{key: attacks.get(key, ()) for key in unattacked}}.items():
        for name in run.network(network).attributes:
            for split in rows:
                label, image = truth[name, split], rows[split]
                if name in unknown:
                    label, image = (each[known[name, split]] for each in (label, image))
                guess = _predict(random, run.network(network), checkpoint, traits[name], label)
                frame = pd.DataFrame({"image": image, "label": label, **guess})
                about = {"network": network, "checkpoint": checkpoint, "attribute": name, "split": split}
                about["sample"] = run.sample["name"] if split == "sample" else ""
                predictions.append(frame.assign(**about))
            # The last guess is that on the test split; the attacks are on the sample.
            guess = predictions[-2]
            if guess.empty:
                continue
            attempts += [_attack(random, guess, run, attack, traits[name]) for attack in names if name in attributes]
    attempts = pd.concat(attempts, ignore_index=True) if attempts else pd.DataFrame(columns=[*COLUMNS, *run.metrics])
    predictions = pd.concat(predictions, ignore_index=True)
    labels = pd.DataFrame(
        [
            (name, split, count, round(count * np.clip(traits[name].prevalence + random.normal(0, 0.01), 0, 1)))
            for name in moon_attributes
            for split, count in ((each, round(images[each] * (1 - unknown.get(name, 0)))) for each in images)
        ],
        columns=["attribute", "split", "images", "positives"],
    )
    true = predictions[predictions["split"] == "test"].drop_duplicates(["attribute", "image"])
    counted = true.assign(split="test", images=1, positives=true["label"] > 0)
    counted = counted.groupby(["attribute", "split"], as_index=False)[["images", "positives"]].sum()
    none = [name for name in moon_attributes if name not in set(counted["attribute"])]
    counted = pd.concat([counted, pd.DataFrame({"attribute": none, "split": "test", "images": 0, "positives": 0})])
    labels = pd.concat([labels[labels["split"] != "test"], counted], ignore_index=True)
    made = Specimen(
        run,
        attempts,
        predictions[PREDICTIONS],
        _transfer(random, run, attempts, traits),
        _scan(attempts, run),
        labels,
        _train(random, run),
    )
    return _in_doubt(made, tuple(doubt), seed) if doubt else made


def _in_doubt(made: Specimen, doubt: tuple[str, ...], seed: int) -> Specimen:
    """Put labels in doubt, those that some network contradicts more often."""
    random = np.random.default_rng([seed, 1])
    answers = made.predictions
    wrong = (answers["score"] > 0) != (answers["label"] > 0)
    pair = ["attribute", "image"]
    doubts = answers[[*pair, "label", "split"]].assign(wrong=wrong).groupby(pair, as_index=False)
    doubts = doubts.agg({"label": "first", "split": "first", "wrong": "any"})
    doubtful = random.random(len(doubts)) < np.where(doubts["wrong"], 0.5, 0.06)
    reasons = random.choice(["no_beard" if name == "rules" else name for name in doubt], len(doubts))
    scores = random.random(len(doubts)) if "scores" in doubt else np.nan
    doubts = doubts.assign(
        file_name=[f"{row + 1:06d}.jpg" for row in doubts["image"]],
        split=doubts["split"].replace("sample", "train"),
        score=scores,
        doubt=np.where(doubts["label"] > 0, 1 - scores, scores),
        reasons=np.where(doubtful, reasons, ""),
        hints="",
        doubtful=doubtful,
    )
    texts = ("file_name", "split", "attribute", "reasons", "hints")
    attempts = made.attempts.merge(doubts[[*pair, "doubtful"]], how="left", on=pair, validate="many_to_one")
    doubts = doubts[list(DOUBTS)].astype(dict.fromkeys(texts, "category"))
    return replace(made, run=replace(made.run, doubt=doubt), attempts=attempts, doubts=doubts)


def _run(
    dataset: str,
    images: Mapping[str, int],
    sample: int,
    attacked: Sequence[str],
    attacks: Attacks,
    more: Mapping[str, Any],
    size: tuple[int, int],
) -> RunDescription:
    """Describe the run that never was, as the workflow would."""
    experiments: dict[str, dict[str, list[str]]] = {}
    for (network, checkpoint), names in attacks.items():
        experiments.setdefault(network, {})[checkpoint] = list(names)
    named = [*PAPER_ATTACKS, *(name for names in attacks.values() for name in names)]
    epochs = sorted({int(name.removeprefix("epoch")) for _, name in attacks if name != CONVERGED}) or [2]
    config = {
        "samples": {PRIMARY_SAMPLE: {"images": sample}},
        "dataset": {"celeba": "made up"},
        "attributes": list(attacked),
        "doubt": {"rules": "none"},  # `_in_doubt` says what there is
        "training": {"checkpoints": epochs},
        "attacks": {name: {} if name in PAPER_ATTACKS else _of_ones_own(name) for name in named},
        "experiments": {PRIMARY_SAMPLE: experiments},
    }
    manifest = {"source": dataset, "images": images, "official": images, "width": size[0], "height": size[1]}
    if dataset != "table":
        return describe(manifest, Plan(Settings.of(merged(config, more))).description())
    # The configuration knows attributes of a table that is there; those of one that never was are put in afterwards.
    learned = {name: each.pop("attributes", attacked) for name, each in more["networks"].items()}
    config["attributes"] = ["Male"]
    run = describe(manifest, Plan(Settings.of(merged(config, more))).description())
    networks = tuple(
        replace(
            network,
            attributes=tuple(learned[network.name]),
            attacked=tuple(name for name in attacked if name in learned[network.name]),
        )
        for network in run.networks
    )
    every = dict.fromkeys(name for each in networks for name in each.attributes)
    return replace(run, networks=networks, attacked=tuple(attacked), dataset_attributes=tuple(every), official=None)


def _of_ones_own(name: str) -> dict[str, str]:
    return {"direction": "ffa", "search": ITERATIVE if name.endswith(f"-{ITERATIVE}") else "doubling"}


class _Traits:
    """How an attribute behaves: how common it is, how often wrong, how easy to flip."""

    def __init__(self, random: np.random.Generator):
        self.prevalence = random.beta(0.8, 1.6)
        self.error = random.beta(1.5, 12) * 0.8 * min(self.prevalence, 1 - self.prevalence) * 2
        self.ease = random.normal(0, 1.6)
        self.pull = random.beta(0.3, 3)


def _predict(
    random, network: RunNetwork, checkpoint: str, traits: _Traits, labels: np.ndarray
) -> dict[str, np.ndarray]:
    factor = 1.0 if checkpoint == CONVERGED else 1.15
    error = np.clip(traits.error * factor + random.normal(0, 0.004), 0, 1)
    wrong = random.random(len(labels)) < error
    size = np.abs(np.where(wrong, random.normal(0, 0.35, len(labels)), random.normal(0.85, 0.25, len(labels)))) + 1e-3
    score = np.where(wrong, -labels, labels) * size
    if network.loss != "softmax":
        return {"score": score, "logit_absent": np.nan, "logit_present": np.nan}
    shift = random.normal(0.5, 1.5, len(labels))
    absent, present = shift - 2 * score, shift + 2 * score
    return {"score": present - absent, "logit_absent": absent, "logit_present": present}


def _attack(random, guess: pd.DataFrame, run: RunDescription, attack: str, traits: _Traits) -> pd.DataFrame:
    method, search = run.attack(attack).method, run.attack(attack).search
    count = len(guess)
    score = guess["score"].to_numpy()
    correct = (score > 0) == (guess["label"].to_numpy() > 0)
    about = guess[["network", "checkpoint", "attribute"]].iloc[0].to_dict()
    first = about["network"] == run.network_names[0]
    help_ = 0.6 * (method == "ffa") + 0.9 * (search == "iterative") + 0.8 * (not first)
    effort = np.abs(score) * 2.2 - traits.ease - help_ + random.normal(0, 0.6, count)
    flipped = effort < 1.4
    pass_ = np.where(flipped, np.clip(1 - 0.02 * np.exp(1.3 * effort), -0.05, 1), np.nan)
    epsilon = np.where(flipped, np.maximum(np.round(4 * np.exp(0.8 * effort)), 1), np.nan)
    if method == "ffa":
        epsilon = epsilon + random.random(count)
    failure = Outcome.MAX_EPSILON if search == "line" else Outcome.MAX_STEPS
    outcome = np.where(flipped, Outcome.FLIPPED.label, failure.label).astype(object)
    dead = ~flipped & (random.random(count) < 0.03)
    outcome[dead] = Outcome.ZERO_GRADIENT.label
    steps = np.where(search == "iterative", np.nan_to_num(np.ceil(epsilon), nan=100), 1).astype("int32")
    alignment = np.where(random.random(count) < 0.995, "converged", "not_converged")
    after = np.where(flipped, np.where(score > 0, -1, 1) * random.exponential(0.01, count), np.nan)
    return pd.DataFrame(
        {
            "sample": run.sample["name"],
            "network": about["network"],
            "checkpoint": about["checkpoint"],
            "attack": attack,
            "attribute": about["attribute"],
            "image": guess["image"].to_numpy(),
            "file_name": [f"{row + 1:06d}.jpg" for row in guess["image"]],
            "label": guess["label"].to_numpy(),
            "correct": correct,
            "flipped": flipped,
            "outcome": outcome,
            "epsilon": epsilon,
            "steps": steps,
            "gradient_passes": steps,
            "forward_passes": random.integers(4, 16, count, dtype="int32"),
            "linf": np.nan_to_num(np.ceil(epsilon)).clip(0, 255).astype("int16"),
            "l2": np.nan_to_num(epsilon * 20),
            "score_before": score,
            "score_after": after,
            "pass": pass_,
            "ssim": pass_ - 0.005,
            "pass_gray": pass_ + 0.002,
            "ssim_gray": pass_ - 0.002,
            "alignment": np.where(flipped, alignment, ""),
            **dict.fromkeys(run.metrics, 10 * pass_),
        }
    )


def _transfer(random, run: RunDescription, attempts: pd.DataFrame, traits: dict[str, _Traits]) -> pd.DataFrame:
    tables = []
    for network, checkpoint, attack in run.transfers:
        joint, targets = run.network(network).joint, run.network(network).attributes
        match = (
            (attempts["network"] == network) & (attempts["checkpoint"] == checkpoint) & (attempts["attack"] == attack)
        )
        if not match.any():
            continue
        images = attempts[match & attempts["flipped"] & (attempts["pass"] >= run.threshold)]
        keys = ["network", "checkpoint", "attack", "attribute", "image", "correct"]
        table = images[keys].merge(pd.DataFrame({"target": list(targets)}), how="cross")
        own = (table["attribute"] == table["target"]).to_numpy()
        chance = table["target"].map({name: traits[name].pull for name in targets}).to_numpy(float)
        chance = chance * (1.0 if joint else 0.3)
        chance[own] = 1.0 if checkpoint == CONVERGED else 0.45
        changed = random.random(len(table)) < chance
        before = random.normal(0, 0.8, len(table))
        after = np.where(changed, -before, before) * random.uniform(0.5, 1.5, len(table))
        tables.append(table.assign(score_before=before, score_after=after, changed=changed))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _scan(attempts: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Return scans of ten images that flip every twentieth attempt besides, and every tenth with half the epsilon."""
    lines = [attack.name for attack in run.attack_list if attack.search == LINE]
    chosen = (attempts["checkpoint"] == CONVERGED) & attempts["attack"].isin(lines)
    table = attempts[chosen & attempts["image"].isin(attempts["image"].unique()[:10])]
    table = table[["network", "checkpoint", "attack", "attribute", "image", "flipped", "epsilon"]]
    number = np.arange(len(table))
    scan_flipped = table["flipped"].to_numpy() | (number % 20 == 0)
    shorter = table["flipped"].to_numpy() & (number % 10 == 5) & (table["epsilon"].to_numpy() > 1)
    epsilon = np.where(shorter, table["epsilon"] / 2, table["epsilon"].fillna(100))
    return table.assign(
        scan_flipped=scan_flipped,
        scan_epsilon=np.where(scan_flipped, epsilon, np.nan),
        same=(scan_flipped == table["flipped"]) & ~shorter,
    )


def label_doubts(
    attributes: Sequence[str], images: int, seed: int = 0, scored: bool = True, drawn: bool = True
) -> pd.DataFrame:
    """Make up which labels are in doubt: the table of `faceflip.data.label_doubt`.

    Args:
        attributes: Of which each image has a label, but for one in twenty that is unknown.
        images: How many, in all three splits.
        seed: Of everything.
        scored: Whether networks scored the labels; rules and an audit put some in doubt in any case.
        drawn: Whether it is known which labels were falsified, about one in ten.
    """
    random = np.random.default_rng(seed)
    parts = []
    for number, name in enumerate(attributes):
        truth = random.random(images) < 0.2 + 0.6 * number / len(attributes)
        falsified = random.random(images) < 0.1
        present = truth ^ falsified
        # In hundredths, so that some are doubted alike.
        score = np.clip(np.where(truth, 0.8, 0.2) + random.normal(0, 0.3, images), 0, 1).round(2)
        doubt = np.where(present, 1 - score, score)
        audited, hinted, first, second = (random.random(images) < share for share in (0.03, 0.1, 0.05, 0.03))
        says = {"one rule": first, "another, of $5 or $6": second, "scores": scored & (doubt > 0.7), "audit": audited}
        reasons = ["; ".join(name for name in says if says[name][row]) for row in range(images)]
        columns = {
            "image": np.arange(images),
            "file_name": [f"{row + 1:06d}.jpg" for row in range(images)],
            "split": np.array(["train", "train", "validation", "test"])[np.arange(images) * 4 // images],
            "attribute": name,
            "label": np.where(present, 1, -1).astype("int8"),
            "score": score if scored else np.nan,
            "doubt": doubt if scored else np.nan,
            "reasons": reasons,
            "hints": np.where(hinted, "a soft rule", ""),
            "doubtful": [bool(each) for each in reasons],
            "falsified": falsified,
        }
        parts.append(pd.DataFrame(columns)[random.random(images) < 0.95])
    table = pd.concat(parts, ignore_index=True)
    table = table.astype(dict.fromkeys(("file_name", "split", "attribute", "reasons", "hints"), "category"))
    return table if drawn else table.drop(columns="falsified")


def _train(random, run: RunDescription) -> dict[str, pd.DataFrame]:
    """Return a history per network and member, by the path of its folder."""
    members = [
        (network.name, member)
        for network in run.networks
        for member in ([ALL] if network.joint else network.attributes)
    ]
    histories = {}
    for network, member in members:
        options = TrainingOptions(**run.network(network).training)
        epochs = np.arange(1, options.max_epochs + 1)
        floor = random.uniform(0.02, 0.25)
        training = floor * (0.7 + 0.8 * np.exp(-0.5 * epochs))
        validation = floor * (1 + 0.6 * np.exp(-0.8 * epochs)) + random.normal(0, 0.004, len(epochs))
        last = next(epoch for epoch in epochs if options.finished(validation[:epoch].tolist()))
        history = {
            "network": network,
            "member": member,
            "epoch": epochs,
            "loss": 3 * training,
            "training_error": training,
            "validation_error": validation,
            "learning_rate": 1e-5,
        }
        histories[f"{network}/{member}"] = pd.DataFrame(history)[:last]
    return histories
