"""The names of the attacks in `faceflip.attacks.registry`, for whoever must not import PyTorch to know them.

The configuration is checked against them while the Snakefile is parsed. A test holds the two together.
"""

ATTACK_NAMES = ("fgs-line", "fgs-iterative", "ffa-line", "ffa-iterative")
