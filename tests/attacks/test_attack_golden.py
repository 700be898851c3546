"""Results may change only together with the stage's version number, on which everything downstream hangs."""

import hashlib

import numpy as np
import torch
from attack_networks import Ridge

from faceflip.attacks import attack
from faceflip.catalogue import PAPER_ATTACKS
from faceflip.workflow.versions import VERSIONS

DIGESTS = {
    1: "8d66f4e6b2cc9026171c07af3567e1a03f879339de29f25700237aff1d2068d1",
    2: "8d66f4e6b2cc9026171c07af3567e1a03f879339de29f25700237aff1d2068d1",  # what changed is not met by these images
    3: "c7d3ec3fd7959d8ce056aba97e4a1c33672feada8a8f7170e454163a5317468a",  # FFA goes back to a target that it passed
}
"""By version of the stage: a digest of all results below. A new version adds an entry, an old one never changes."""


def digest() -> str:
    """Attack an exact network in every way and digest what comes back."""
    random = np.random.default_rng(2018)
    images = random.integers(0, 256, (40, 3, 4, 3), dtype=np.uint8)
    hidden = random.integers(-9, 10, (6, 36))
    network = Ridge(hidden, hidden @ np.full(36, 128), random.integers(-5, 6, 6), 0.0)
    with torch.no_grad():  # both decisions occur
        network.bias = -float(network(torch.from_numpy(images).permute(0, 3, 1, 2).float()).median())
    sha, flipped = hashlib.sha256(), []
    for name in PAPER_ATTACKS:
        scan = {"search": "scan"} if name.endswith("-line") else {}
        for options in ({}, {**scan, "fgs_label": "opposite", "ffa_target": "original"}):
            result = attack(network, images, name, batch_size=8, **options)
            assert result.margin == 0
            flipped.append(result.flipped.sum())
            for column in ("perturbation", "flipped", "outcome", "epsilon", "steps", "score_before", "score_after"):
                sha.update(getattr(result, column).astype("<f8").tobytes())
    assert sum(1 for each in flipped if each >= 5) >= 6
    return sha.hexdigest()


def test_results_change_only_with_the_version_of_the_stage():
    version = VERSIONS["attack"]
    assert version in DIGESTS, f"add the digest of version {version}: {digest()}"
    assert digest() == DIGESTS[version], (
        "attacks give other results than before: raise VERSIONS['attack'] in faceflip/workflow/versions.py and add a "
        "digest here"
    )
