"""Which adversarial images are shown (Fig. 1), chosen by rule.

Of each kind of network one image is shown, attacked by FFA with both searches: one that a separate network
misclassifies and the perturbation corrects (a natural adversarial image), and one that a network of all attributes
classifies correctly and the perturbation flips together with other attributes. Among all that qualify it is the one
with the median PASS of the line search: a typical image, not the most pleasing one. Where nothing qualifies the rule is
relaxed step by step, and the remark says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from faceflip.analysis.frames import adversarial, only_final
from faceflip.analysis.names import SEARCHES, lead_method, method_name, ordered, search_name
from faceflip.analysis.run import RunAttack, RunDescription, RunNetwork


@dataclass(frozen=True)
class Example:
    """An attempt to show.

    Attributes:
        attribute: That was attacked.
        image: Row in the dataset.
        present: Decision before the attack, which turned it round; `correct` says whether it was right.
        similarity: PASS.
        others: Other attributes whose decisions changed, with the decision after the attack (true: present).
        doubtful: Whether the label is in doubt; False, too, where nothing in the run says so.
    """

    network: str
    attack: str
    search: str
    attribute: str
    image: int
    file_name: str
    present: bool
    correct: bool
    similarity: float
    others: tuple[tuple[str, bool], ...] = ()
    doubtful: bool = False


@dataclass(frozen=True)
class Choice:
    """What is shown of one network: an example for each search, None where it did not flip the image."""

    network: RunNetwork
    method: str
    searches: tuple[str, ...]
    examples: tuple[Example | None, ...]
    remark: str = ""


def choose_examples(attempts: pd.DataFrame, transfers: pd.DataFrame, run: RunDescription) -> tuple[Choice, ...]:
    """Choose what is shown of the first network of each kind that is attacked: of one attribute, and of all."""
    converged = only_final(attempts)
    attacked = set(converged["network"].unique())
    kinds = ([each for each in networks if each.name in attacked] for networks in (run.separate, run.joint))
    return tuple(_choose(converged, transfers, run, networks[0]) for networks in kinds if networks)


def _choose(converged: pd.DataFrame, transfers: pd.DataFrame, run: RunDescription, network: RunNetwork) -> Choice:
    chosen = converged[converged["network"] == network.name]
    attacks = _attacks(chosen, run)
    first, method = next((search, attack.method) for search, attack in attacks.items())
    both = _side_by_side(chosen, attacks, run.threshold)
    flipped, hit = both[f"flipped_{first}"], both[f"adversarial_{first}"]
    if not flipped.any():
        remark = f"{method_name(method)} with {search_name(first)} flipped no image of this network"
        return Choice(network, method, tuple(attacks), (None,) * len(attacks), remark)
    kind = "correctly classified" if network.joint else "misclassified"
    wanted = both["correct"] == network.joint
    everywhere = wanted & both[[f"adversarial_{search}" for search in attacks]].all(axis=1)
    changes = transfers if network.joint else transfers[:0]
    changes = changes[(changes["network"] == network.name) & changes["changed"]]
    changes = changes[changes["attribute"].astype("str") != changes["target"].astype("str")]
    unchanged = "no image changes other attributes by both searches" if network.joint else ""
    steps = [
        (everywhere & _changing_others(both, changes, attacks), ""),
        (everywhere, unchanged),
        (wanted & hit, f"no {kind} image is adversarial by {'both searches' if len(attacks) > 1 else 'this search'}"),
        (wanted & flipped, f"no {kind} image reaches a PASS of {run.threshold:g}"),
        (hit, f"no {kind} image was flipped"),
        (flipped, f"no {kind} image was flipped, and none reaches a PASS of {run.threshold:g}"),
    ]
    qualified, remark = next((rows, remark) for rows, remark in steps if rows.any())
    ranked = both[qualified].sort_values([f"pass_{first}", "attribute", "image"])
    row = ranked.iloc[(len(ranked) - 1) // 2]
    examples = tuple(_example(row, network, attack, changes) for attack in attacks.values())
    return Choice(network, method, tuple(attacks), examples, remark)


def _attacks(chosen: pd.DataFrame, run: RunDescription) -> dict[str, RunAttack]:
    """Return the attacks that are shown by their kind of search: those of FFA where it was run, else of one method."""
    known = [run.attack(name) for name in ordered(chosen["attack"].unique(), (each.name for each in run.attack_list))]
    method = lead_method(attack.method for attack in known)
    found = {attack.search: attack for attack in known if attack.method == method}
    return {search: found[search] for search in ordered(found, SEARCHES)}


def _side_by_side(chosen: pd.DataFrame, attacks: Mapping[str, RunAttack], threshold: float) -> pd.DataFrame:
    """Return the attempts on a network, one row per attribute and image, a column set per search."""
    both = None
    for search, attack in attacks.items():
        side = chosen[chosen["attack"] == attack.name]
        columns = ["attribute", "image", "flipped", "pass"]
        columns += ["file_name", "correct", "score_before", "doubtful"] if both is None else []
        hit = adversarial(side, threshold)
        side = side.reindex(columns=columns, fill_value=False).assign(adversarial=hit).astype({"attribute": "str"})
        side = side.rename(columns={name: f"{name}_{search}" for name in ("flipped", "pass", "adversarial")})
        both = side if both is None else both.merge(side, on=["attribute", "image"], how="left", validate="one_to_one")
    flags = [f"{name}_{search}" for search in attacks for name in ("flipped", "adversarial")]
    return both.assign(**{name: both[name].eq(True) for name in flags})


def _changing_others(both: pd.DataFrame, changes: pd.DataFrame, attacks: Mapping[str, RunAttack]) -> np.ndarray:
    pairs = pd.MultiIndex.from_frame(both[["attribute", "image"]])
    found = [
        pairs.isin(pd.MultiIndex.from_frame(part[["attribute", "image"]].astype({"attribute": "str"})))
        for part in (changes[changes["attack"] == attack.name] for attack in attacks.values())
    ]
    return np.logical_and.reduce(found)


def _example(row: pd.Series, network: RunNetwork, attack: RunAttack, changes: pd.DataFrame) -> Example | None:
    if not row[f"flipped_{attack.search}"]:
        return None
    mine = (changes["attribute"] == row["attribute"]) & (changes["image"] == row["image"])
    mine = changes[mine & (changes["attack"] == attack.name)].sort_values("target")
    return Example(
        network=network.name,
        attack=attack.name,
        search=attack.search,
        attribute=row["attribute"],
        image=int(row["image"]),
        file_name=str(row["file_name"]),
        present=bool(row["score_before"] > 0),
        correct=bool(row["correct"]),
        similarity=float(row[f"pass_{attack.search}"]),
        others=tuple(zip(mine["target"].astype("str"), (mine["score_after"] > 0).tolist(), strict=True)),
        doubtful=bool(row["doubtful"]),
    )
