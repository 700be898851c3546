"""A made-up run with fine-tuned networks, as plain rows: what tests compute again by loops."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.analysis.run import RunAttack, RunDescription, RunNetwork, RunTuning
from faceflip.io.tables import write_table

LEARNED = ("Bald", "Male", "Smiling")
ATTACKED = ("Male", "Smiling")
TAU = 0.95
ATTACKS = (
    RunAttack("fgs-line", "fgs", "line"),
    RunAttack("ffa-line", "ffa", "line"),
    RunAttack("ffa-iterative", "ffa", "iterative", "steps"),
)
SAMPLES = {"paper": "train", "unseen": "test", "harden": "train"}
EVALUATED = ("paper", "unseen")
SHOWN = ("sample", "network", "checkpoint", "attack", "attribute", "image")
TESTED = range(900, 912)


@dataclass
class MadeUp:
    """Rows of the tables, the run, and which network is the control of which."""

    run: RunDescription
    attempts: list[dict] = field(default_factory=list)
    predictions: list[dict] = field(default_factory=list)
    between: list[dict] = field(default_factory=list)
    costs: dict[str, list[dict]] = field(default_factory=dict)

    def write(self, folder: Path) -> dict:
        """Write the tables and return their paths by role."""
        paths = {name: folder / f"{name}.parquet" for name in ("attempts", "predictions", "between")}
        for name, path in paths.items():
            write_table(path, pd.DataFrame(getattr(self, name)))
        costs = {folder / f"tuning-{name}.csv": rows for name, rows in self.costs.items()}
        for path, rows in costs.items():
            pd.DataFrame(rows).to_csv(path, index=False)
        return paths | {"tunings": list(costs)}


def network(name: str, joint: bool, group: str = "", seed: int | None = None) -> RunNetwork:
    return RunNetwork(
        name, name.upper(), name, "#000000", "euclidean", joint, LEARNED, ATTACKED, group=group, seed=seed
    )


def tunings_of(source: str, diets: dict[str, str], seeds: list[int | None], seeded: bool = False) -> list[RunTuning]:
    """Return tunings of a source: diets by group; a seeded source has a network for each seed."""
    return [
        RunTuning(
            name=group if seed is None else f"{group}-seed{seed}",
            group=group,
            title=group.title(),
            seed=seed,
            source=f"{source}-seed{seed}" if seeded else source,
            source_group=source,
            checkpoint="converged",
            diet=diet,
            share=0.0 if diet == "control" else 0.5,
            epochs=1,
            sample="" if diet in ("control", "pgd") else "harden",
            attack="" if diet in ("control", "pgd") else "ffa-line",
            attributes=LEARNED,
            attacked=ATTACKED,
        )
        for group, diet in diets.items()
        for seed in seeds
    ]


def described(networks: list[RunNetwork], tunings: list[RunTuning]) -> RunDescription:
    return RunDescription(
        dataset="synthetic",
        images={"train": 100, "validation": 20, "test": 20},
        sample={"name": "paper", "split": "train", "images": 8},
        attacked=ATTACKED,
        networks=tuple(networks),
        attack_list=ATTACKS,
        threshold=TAU,
        thresholds=(0, 0.9, TAU),
        dataset_attributes=LEARNED,
        tunings=tuple(tunings),
        samples={name: {"name": name, "split": split, "images": 8} for name, split in SAMPLES.items()},
    )


def two_families() -> RunDescription:
    """Describe tunings of MOON once a seed, and of separate networks that themselves have seeds."""
    networks = [network("moon", True), *(network(f"apart-seed{seed}", False, "apart", seed) for seed in (1, 2))]
    diets = {"harder": "hard", "plain": "control", "harder-too": "hard", "itself": "natural"}
    tunings = tunings_of("moon", diets, [1, 2, 3])
    tunings += tunings_of("apart", {"steady": "control", "fly": "pgd"}, [1, 2], seeded=True)
    return described(networks, tunings)


def make_up(
    run: RunDescription, seed: int = 0, unknown: float = 0.1, flips: float = 0.6, wrong: float = 0.3, images: int = 8
) -> MadeUp:
    """Make up rows for a run: labels are the dataset's, scores and flips are random."""
    random = np.random.default_rng(seed)
    made = MadeUp(run)
    rows = {name: [100 * place + image for image in range(images)] for place, name in enumerate(SAMPLES)}
    everything = [*TESTED, *(image for each in rows.values() for image in each)]
    labels = {
        (attribute, image): 0 if random.random() < unknown else int(random.choice([-1, 1]))
        for attribute in LEARNED
        for image in everything
    }
    sources = {each.source: "converged" for each in run.tunings}
    tuned = {each.name: "tuned" for each in run.tunings}
    scores = {}
    for name, checkpoint in {**sources, **tuned}.items():
        for sample, of in {"": list(TESTED), **rows}.items():
            for attribute in LEARNED:
                for image in of:
                    label = labels[attribute, image]
                    if not label:
                        continue
                    size = random.exponential() + 0.01
                    score = size * label * (-1 if random.random() < wrong else 1)
                    scores[name, attribute, image] = score
                    about = {"network": name, "checkpoint": checkpoint, "attribute": attribute}
                    about |= {"split": "sample" if sample else "test", "sample": sample}
                    made.predictions.append(about | {"image": image, "label": label, "score": score})
                    if not sample or attribute not in ATTACKED or (name in tuned and sample not in EVALUATED):
                        continue
                    for attack in run.attack_list:
                        if name not in tuned or attack.name != "ffa-iterative":
                            made.attempts.append(_attempt(random, about, attack.name, image, label, score, flips))
    if run.doubt:
        doubts = np.random.default_rng(seed + 1)
        doubtful = {pair: bool(doubts.random() < 0.4) for pair in labels}
        made.attempts = [each | {"doubtful": doubtful[each["attribute"], each["image"]]} for each in made.attempts]
    # Of other checkpoints of a source nothing is counted.
    made.attempts += [each | {"checkpoint": "epoch2"} for each in made.attempts if each["network"] in sources]
    made.predictions += [
        each | {"checkpoint": "epoch2", "score": -each["score"]}
        for each in made.predictions
        if each["network"] in sources
    ]
    for each in made.attempts:
        shown = each["flipped"] and each["pass"] >= TAU and each["sample"] in EVALUATED
        targets = [tuning for tuning in run.tunings if tuning.source == each["network"]]
        for target in targets if shown and each["checkpoint"] == "converged" else ():
            before = scores[target.name, each["attribute"], each["image"]]
            after = before * random.choice([-1, 1])
            about = {
                key: each[key] for key in ("sample", "network", "checkpoint", "attack", "attribute", "image", "correct")
            }
            made.between.append(
                about
                | {"target": target.name, "score_before": before, "score_after": after}
                | {"changed": (before > 0) != (after > 0)}
            )
    for tuning in run.tunings:
        members = ["all"] if tuning.source_group == "moon" else list(LEARNED)
        for member in members:
            pool = 0 if tuning.diet == "control" else int(random.integers(1, 50))
            made.costs[f"{tuning.name}-{member}"] = [
                {"network": tuning.name, "member": member, "epoch": epoch, "extra_images": pool}
                | {"seconds": float(random.integers(10, 90)), "loss": 0.1}
                for epoch in (1, 2)
            ]
    return made


def _attempt(random, about: dict, attack: str, image: int, label: int, score: float, flips: float) -> dict:
    flipped = bool(random.random() < flips)
    return {key: about[key] for key in ("network", "checkpoint", "attribute", "sample")} | {
        "attack": attack,
        "image": image,
        "label": label,
        "correct": (score > 0) == (label > 0),
        "flipped": flipped,
        "pass": float(random.choice([0.5, 0.92, TAU, 0.97, 0.99])) if flipped else math.nan,
        "epsilon": float(random.integers(1, 40)) if flipped else math.nan,
        "linf": int(random.integers(1, 40)) if flipped else 0,
        "l2": float(random.exponential(50)) if flipped else 0.0,
    }
