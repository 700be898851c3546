"""What attacks there are in `faceflip.attacks.registry`, for whoever must not import PyTorch to know them.

The configuration is checked against them while the Snakefile is parsed. A test holds the two together.
"""

ATTACK_NAMES = {
    "fgs-line": "smallest whole epsilon along the sign of the loss gradient",
    "fgs-iterative": "steps of one pixel value along the sign of the loss gradient",
    "ffa-line": "smallest epsilon along the gradient that moves one score to zero",
    "ffa-iterative": "steps of one pixel value at most that move one score to zero",
}
"""Their names in the order of the paper's tables, and what they do in one line."""


def split_attack(attack: str) -> tuple[str, str]:
    """Split an attack such as ``ffa-line`` into method and search."""
    method, _, search = attack.rpartition("-")
    return method, search
