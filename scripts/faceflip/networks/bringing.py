"""Bringing a network that was trained elsewhere: its code, its weights, and what can be checked without faces."""

from pathlib import Path

from faceflip.networks.network import AttributeNetwork, NetworkSpec, build_brought, tried_out
from faceflip.networks.weights import EMA, lay_in, read_weights


def bring(
    spec: NetworkSpec, weights: Path | str | None = None, entry: str | None = None
) -> tuple[AttributeNetwork, list[str]]:
    """Return the network of a specification, on the CPU in evaluation mode, and what to know of it, a sentence each.

    `weights` is the file of its weights, None where its code or program has them; `entry` is the part of it that holds
    them, see `read_weights`. Images of its size were seen to go through it, in a memory layout that it works on.

    Raises:
        UserError: It cannot be built, its weights cannot be read or do not fit, images do not go through it, or its
            outputs are not those that its attributes and its loss ask for.
    """
    network, notes = build_brought(spec), []
    if weights is not None:
        state, found = read_weights(weights, entry)
        if entry is None and found.partition(".")[0] in EMA:
            notes.append(f"the weights are those of the entry {found} of {weights}; the key `entry` names others")
        notes += lay_in(network.layers.network, state, weights, spec.brought.file)
    return tried_out(network), notes
