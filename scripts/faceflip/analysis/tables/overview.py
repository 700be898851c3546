"""What every attack did and cost: outcomes, alignments and passes through the network.

A row is one attack on one kind of network at one checkpoint. `flipped` and the other outcomes add up to the attempts.
Attempts without a gradient point to a dead or saturated network; a large share at the largest epsilon or the last step
says that the cap, not the network, ended the search. Scores that were not finite say nothing about the image. The
alignments of nearly all flipped images should have converged. Passes are what the attack cost; epsilon (line search:
pixel values along the ray, iterative: number of steps) and PASS are medians over the flipped attempts.
"""

import pandas as pd

from faceflip.analysis.frames import Inputs, arranged, read_attempts
from faceflip.analysis.names import checkpoint_name
from faceflip.analysis.pages import Column, Sheet, number, percent
from faceflip.analysis.run import RunDescription
from faceflip.outcomes import Outcome

OUTCOMES = tuple(outcome.label for outcome in Outcome if outcome is not Outcome.UNKNOWN_LABEL)
"""Those of attempts: where a label is unknown there is none."""
ALIGNMENTS = ("identical", "converged", "not_converged", "failed", "implausible")


def overview(attempts: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Summarise the attempts (with outcome, alignment, epsilon, passes and `run.metrics`) of each attack.

    Returns:
        Columns network, checkpoint, attack, attempts, one per outcome and one per alignment (counts, the latter with
        the prefix ``aligned_``), gradient_passes and forward_passes (means), epsilon, pass and the columns of
        `run.metrics` (medians of the flipped).
    """
    keys = ["network", "checkpoint", "attack"]
    counts = {outcome: attempts["outcome"] == outcome for outcome in OUTCOMES}
    counts |= {f"aligned_{name}": attempts["alignment"] == name for name in ALIGNMENTS}
    grouped = attempts[keys].assign(**counts).groupby(keys, observed=True)
    frame = pd.concat([grouped.size().rename("attempts"), grouped[list(counts)].sum()], axis=1)
    passes = ["gradient_passes", "forward_passes"]
    frame[passes] = attempts.groupby(keys, observed=True)[passes].mean()
    sizes = ["epsilon", "pass", *run.metrics]
    frame[sizes] = attempts[attempts["flipped"]].groupby(keys, observed=True)[sizes].median()
    return arranged(frame.reset_index().astype(dict.fromkeys(keys, "str")), run, keys)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `overview` of the run's attempts."""
    more = ("outcome", "alignment", "epsilon", "gradient_passes", "forward_passes", *run.metrics)
    return overview(read_attempts(inputs["attempts"], run, *more), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the outcomes out as percent of the attempts, the alignments as percent of the flipped."""
    outcomes = {outcome: outcome.replace("_", " ") for outcome in OUTCOMES}
    rows = []
    for row in frame.to_dict("records"):
        unaligned = sum(row[f"aligned_{name}"] for name in ("not_converged", "failed", "implausible"))
        rows.append(
            [
                run.network(row["network"]).title,
                checkpoint_name(row["checkpoint"]),
                row["attack"],
                f"{row['attempts']:,}",
                *(percent(row[name] / row["attempts"]) for name in outcomes),
                percent(unaligned / row["flipped"] if row["flipped"] else float("nan"), 2),
                f"{row['gradient_passes']:.1f}",
                f"{row['forward_passes']:.1f}",
                number(row["epsilon"]),
                *(number(row[name], 4) for name in ("pass", *run.metrics)),
            ]
        )
    heads = [Column(name, align="l") for name in ("network", "checkpoint", "attack")] + [Column("attempts")]
    heads += [Column(name, "outcome, percent") for name in outcomes.values()]
    heads += [Column("not aligned, percent"), Column("gradients", "mean passes"), Column("forward", "mean passes")]
    heads += [Column(name, "median of flipped") for name in ("ε", "PASS", *run.metrics)]
    notes = [] if rows else ["This run attacks no network."]
    return [Sheet("What the attacks did and cost", heads, rows, notes)]
