"""Adversarial attacks that flip one attribute: FGS and FFA, by line search and iteratively.

`attack` and `iterate` run an attack of `ATTACKS` on a batch of images of any size; `Options` has all that can be set.
"""

from faceflip.attacks.engine import attack, iterate
from faceflip.attacks.options import Options
from faceflip.attacks.registry import ATTACKS, Attack, find
from faceflip.attacks.results import AttackResult

__all__ = ["ATTACKS", "Attack", "AttackResult", "Options", "attack", "find", "iterate"]
