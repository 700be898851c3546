"""A run of fine-tuned networks that never was: its attempts, and the table `fine_tuning` as far as figures read it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.analysis.run import RunDescription, RunTuning
from faceflip.catalogue import DIETS
from specimen import specimen

ATTACKED = ("Bald", "Eyeglasses", "Male", "Mouth_Slightly_Open", "Smiling", "Young")
SAMPLES = {"paper": {"split": "train", "images": 30}, "unseen": {"split": "test", "images": 20}}
FED = {"harden": {"split": "train", "images": 25}}
STRENGTH = {"": 1.0, "control": 1.1, "noise": 1.15, "adversarial": 1.9, "hard": 2.6, "corrected": 1.3}
STRENGTH |= {"augmented": 1.2, "natural": 1.0, "all": 2.2, "fgsm-rs": 4.0, "pgd": 6.0}
"""How much further a flip lies than from the source."""


@dataclass(frozen=True)
class Tuned:
    run: RunDescription
    attempts: pd.DataFrame
    table: pd.DataFrame

    def write(self, folder: Path) -> dict[str, Path]:
        paths = {"attempts": folder / "attempts.parquet", "fine_tuning": folder / "fine_tuning.csv"}
        self.attempts.to_parquet(paths["attempts"], index=False)
        self.table.to_csv(paths["fine_tuning"], index=False)
        return paths


def tuned(
    diets: Sequence[str] = tuple(DIETS),
    seeds: Sequence[int | None] = (1, 2, 3),
    sources: Sequence[str] = ("moon",),
    samples: Sequence[str] = tuple(SAMPLES),
    dataset: str = "synthetic",
    sources_of_seeds: bool = False,
    never: float = 0.1,
    seed: int = 0,
) -> Tuned:
    """Make it up: `never` is the share of images that nothing flips, twice as large after `pgd`."""
    random = np.random.default_rng(seed)
    made = specimen(seed=1, attributes=ATTACKED, moon_attributes=ATTACKED, sample=30, test=20, dataset=dataset)
    run = made.run
    networks = [network for network in run.networks if network.name in sources]
    if sources_of_seeds:
        networks = [
            replace(each, name=f"{each.name}-seed{n}", group=each.name, seed=n) for each in networks for n in seeds
        ]
    tunings = [
        RunTuning(
            name=f"{source}-{diet}" + (f"-seed{number}" if number is not None else ""),
            group=f"{source}-{diet}",
            title=f"{source} on {diet}",
            seed=number,
            source=f"{source}-seed{number}" if sources_of_seeds else source,
            source_group=source,
            checkpoint="converged",
            diet=diet,
            share=0.5,
            epochs=1,
            sample="harden" if DIETS[diet].of_store else "",
            attack="ffa-iterative" if DIETS[diet].of_store else "",
            attributes=ATTACKED,
            attacked=ATTACKED,
        )
        for source in sources
        for diet in diets
        for number in seeds
    ]
    run = replace(run, networks=tuple(networks), tunings=tuple(tunings), samples={**SAMPLES, **FED})
    rows = [(each.name, "converged", "", each.group or each.name) for each in networks]
    rows += [(each.name, "tuned", each.diet, each.source_group) for each in tunings]
    first = {"paper": 0, "unseen": 1000}
    attempts = [
        _attempts(random, name, checkpoint, diet, sample, first[sample], attribute, never)
        for name, checkpoint, diet, _ in rows
        for sample in samples
        for attribute in ATTACKED
    ]
    attempts = pd.concat(attempts, ignore_index=True)
    return Tuned(run, attempts, _table(random, run, attempts))


def _attempts(random, name, checkpoint, diet, sample, first, attribute, never) -> pd.DataFrame:
    count = SAMPLES[sample]["images"]
    images = first + np.arange(count)
    # The same image is as hard to flip by every network, but for its strength and some noise.
    ease = np.random.default_rng([first, ATTACKED.index(attribute)]).normal(0, 0.8, count)
    l2 = 60 * STRENGTH[diet] * np.exp(ease + random.normal(0, 0.15, count)) * random.uniform(0.9, 1.1)
    flipped = random.random(count) >= never * (2 if diet == "pgd" else 1)
    similarity = 1 - 0.012 * (l2 / 60) ** 1.3
    return pd.DataFrame(
        {
            "sample": sample,
            "network": name,
            "checkpoint": checkpoint,
            "attack": "ffa-line",
            "attribute": attribute,
            "image": images,
            "file_name": [f"{image + 1:06d}.jpg" for image in images],
            "label": 1,
            "correct": random.random(count) < 0.85,
            "flipped": flipped,
            "outcome": np.where(flipped, "flipped", "max_epsilon"),
            "steps": 1,
            "gradient_passes": 1,
            "forward_passes": 9,
            "epsilon": np.where(flipped, l2 / 10, np.nan),
            "linf": np.where(flipped, np.ceil(l2 / 10), 0).astype("int16"),
            "l2": np.where(flipped, l2, 0.0),
            "score_before": 1.0,
            "score_after": np.where(flipped, -0.01, np.nan),
            "pass": np.where(flipped, similarity, np.nan),
        }
    )


def _table(random, run: RunDescription, attempts: pd.DataFrame) -> pd.DataFrame:
    """Return errors, flipped at each tau, and median L2 with those that never flip, by plain loops."""
    rows = []
    groups = {(each.source_group, each.group, each.diet): [] for each in run.tunings}
    for each in run.tunings:
        groups[each.source_group, each.group, each.diet].append((each.name, each.seed))
    for source in dict.fromkeys(each.source_group for each in run.tunings):
        of_source = [(each.name, each.seed) for each in run.networks if source in (each.name, each.group)]
        groups = {(source, source, ""): of_source} | groups
    price = {"": 0.0, "control": -0.004, "pgd": 0.06, "fgsm-rs": 0.045, "hard": 0.012, "noise": 0.002}
    for (source, group, diet), members in groups.items():
        about = {"source": source, "checkpoint": "converged", "network": group, "diet": diet, "share": 0.5}
        errors = {seed: 0.11 + price.get(diet, 0.004) + random.normal(0, 0.003) for _, seed in members}
        _add(rows, about, "test", "", np.nan, "error", errors)
        balanced = {seed: 2.5 * error + random.normal(0, 0.005) for seed, error in errors.items()}
        _add(rows, about, "test", "", np.nan, "balanced_error", balanced)
        for sample in attempts["sample"].unique():
            per_tau, medians = {tau: {} for tau in run.thresholds}, {}
            for name, seed in members:
                right = attempts[(attempts["network"] == name) & (attempts["sample"] == sample) & attempts["correct"]]
                for tau in run.thresholds:
                    per_tau[tau][seed] = sum(
                        flipped and value >= tau for flipped, value in zip(right["flipped"], right["pass"], strict=True)
                    ) / len(right)
                medians[seed] = np.median(np.where(right["flipped"], right["l2"], np.inf))
            for tau, values in per_tau.items():
                _add(rows, about, sample, "ffa-line", tau, "flipped", values)
            _add(rows, about, sample, "ffa-line", np.nan, "median_l2_all", medians)
    return pd.DataFrame(rows)


def _add(rows: list, about: dict, sample: str, attack: str, threshold: float, measure: str, values: dict) -> None:
    of = {**about, "sample": sample, "attack": attack, "threshold": threshold, "measure": measure, "seeds": len(values)}
    numbers = np.array(list(values.values()))
    half = (
        4.3 * numbers.std(ddof=1) / len(numbers) ** 0.5 if len(numbers) > 1 and np.isfinite(numbers).all() else np.nan
    )
    mean = {"value": numbers.mean(), "low": numbers.mean() - half, "high": numbers.mean() + half}
    rows.append({**of, "seed": "mean", **mean})
    rows += [
        {**of, "seed": "" if seed is None else str(seed), "value": value, "low": np.nan, "high": np.nan}
        for seed, value in values.items()
    ]
