"""PASS, the perceptual adversarial similarity score: ECC alignment, SSIM, and what joins them.

The reference implementation of the definition "pass-1" (`docs/reference/pass.md`), on the CPU and on accelerators.
"""

from faceflip.similarity.definition import NAME, Alignment, PassScores, parameters
from faceflip.similarity.scoring import pairs_a_call, pass_score, pass_scores, score_table

__all__ = ["NAME", "Alignment", "PassScores", "pairs_a_call", "parameters", "pass_score", "pass_scores", "score_table"]
