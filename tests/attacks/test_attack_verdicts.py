"""A flipped image is flipped for whoever looks at it again, in whatever batch, layout or process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from attack_networks import Linear, balance, convolutional, noise_images

from faceflip.attacks import AttackResult, attack
from faceflip.catalogue import ATTACKS, LOSSES
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.network import NetworkSpec, build
from faceflip.networks.objectives import objective_of
from faceflip.store import StoreHeader, StoreWriter

HERE = Path(__file__)
CONFIG = yaml.safe_load((HERE.parents[2] / "config.yaml").read_text())
SIZE = tuple(CONFIG["dataset"]["image_size"])[::-1]
"""Height and width of the embedded default."""

ONE, SEVERAL = ("Smiling",), ("Male", "Smiling", "Young")
KINDS = {f"{loss} of {len(attributes)}": (loss, attributes) for loss in LOSSES for attributes in (ONE, SEVERAL)}
EMBEDDED = "euclidean of 1"


def embedded(kind: str) -> torch.nn.Module:
    """Return a network of the architecture and size of the embedded default, its decisions about balanced."""
    loss, attributes = KINDS[kind]
    spec = NetworkSpec(loss, attributes, SIZE[::-1], ArchitectureOptions(**CONFIG["architecture"]))
    network = build(spec, seed=5).eval()
    with torch.no_grad():
        scores = network(torch.from_numpy(pictures(32)).permute(0, 3, 1, 2).float())
    balance(network.layers[-1], scores)
    return network


def pictures(count: int) -> np.ndarray:
    """Return smooth images with some noise, uint8 (count, *SIZE, 3)."""
    random = np.random.default_rng(11)
    coarse = torch.from_numpy(random.uniform(0, 255, (count, 3, 7, 6)))
    smooth = torch.nn.functional.interpolate(coarse, SIZE, mode="bilinear").permute(0, 2, 3, 1).numpy()
    return np.clip(smooth + random.normal(0, 6, smooth.shape), 0, 255).round().astype(np.uint8)


def values(network: torch.nn.Module, kind: str, images: np.ndarray, attribute: int, size: int) -> np.ndarray:
    """Return the decision values of images as anybody would compute them, in batches of a size."""
    device = next(network.parameters()).device
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        scores = torch.cat([network(part.to(device)).cpu() for part in batch.split(size)])
    return objective_of(KINDS[kind][0]).decision_values(scores)[:, attribute].numpy()


def perturbed(images: np.ndarray, result: AttackResult) -> np.ndarray:
    """Return the adversarial images of flipped attempts."""
    flipped = images[result.flipped] + result.perturbation[result.flipped]
    assert flipped.min() >= 0
    assert flipped.max() <= 255
    return flipped.astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("kind", KINDS)
def test_verdicts_hold_in_other_batches_and_layouts(kind, name, device):
    network, images = embedded(kind).to(device), pictures(24)
    loss, attributes = KINDS[kind]
    attribute = len(attributes) - 1
    result = attack(network, images, name, attribute, loss, batch_size=16, max_steps=15, fgs_scope="attribute")
    assert result.flipped.sum() >= 8
    assert 0 < result.margin < 1e-2
    adversarial, present = perturbed(images, result), result.score_before[result.flipped] > 0
    for size in (1, 7, 64):
        for layout in (torch.channels_last, torch.contiguous_format):
            again = values(network.to(memory_format=layout), kind, adversarial, attribute, size)
            assert ((again > 0) != present).all(), (size, layout)
            # The margin is a real bound on what happens here, not a lucky one.
            assert np.abs(again - result.score_after[result.flipped]).max() < result.margin / 2


RE_READ = """
import sys
import numpy as np, torch
sys.path[:0] = sys.argv[3:]
from test_attack_verdicts import EMBEDDED, embedded, values
from faceflip.runtime.device import prepare
from faceflip.store import open_store
images = np.load(sys.argv[1] + ".npy")
network = embedded(EMBEDDED).to(prepare(sys.argv[2], threads=1))
network.load_state_dict(torch.load(sys.argv[1] + ".pt", weights_only=True))
with open_store(sys.argv[1]) as store:
    rows = np.flatnonzero(store.column("flipped"))
    adversarial = np.stack([store.adversarial(row, images) for row in rows])
    present = store.column("score_before")[rows] > 0
for size in (1, 7, 64):
    again = values(network, EMBEDDED, adversarial, 0, size)
    assert ((again > 0) != present).all(), size
print("held", len(adversarial))
"""


COLUMNS = ("perturbation", "score_before", "score_after", "flipped", "epsilon", "steps")
COLUMNS += ("gradient_passes", "forward_passes", "outcome")
"""What a store takes from a result as it is."""


@pytest.mark.slow
def test_verdicts_hold_in_another_process(tmp_path, device):
    network, images = embedded(EMBEDDED).to(device), pictures(20)
    result = attack(network, images, "ffa-line", batch_size=8)
    path = tmp_path / "attempts.h5"
    header = StoreHeader("paper", "euclidean", "converged", "ffa-line", {}, {"Smiling": "0" * 64}, "0" * 64, seed=0)
    columns = {name: getattr(result, name) for name in COLUMNS}
    with StoreWriter(path, header, len(images), SIZE) as writer:
        writer.write(result.index, image=result.index, file_name="x.jpg", attribute="Smiling", label=1, **columns)
    np.save(f"{path}.npy", images)
    torch.save(network.state_dict(), f"{path}.pt")
    library = HERE.parents[2] / "scripts"
    command = [sys.executable, "-c", RE_READ, str(path), device, str(HERE.parent), str(library)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout == f"held {result.flipped.sum()}\n", run.stderr
    assert result.flipped.sum() > 10


def test_the_margin_of_an_exact_network_is_zero():
    result = attack(Linear(np.arange(-24, 24)[None]), noise_images(10, 0, (4, 4)))
    assert result.margin == 0


def test_the_margin_does_not_depend_on_the_search():
    network, images = convolutional(1, seed=2), noise_images(40, seed=1)
    margins = {
        attack(network, images, name, batch_size=16, max_steps=2).margin for name in ("ffa-line", "ffa-iterative")
    }
    assert len(margins) == 1


@pytest.mark.parametrize("name", ATTACKS)
def test_no_verdict_is_taken_within_the_margin(name):
    network, images = convolutional(1, seed=2, spread=1), noise_images(40, seed=1)
    options = {"fgs_label": "opposite", "ffa_crossed": "onward"}
    result = attack(network, images, name, batch_size=16, margin=0.3, **options)
    assert result.flipped.sum() > 10
    present = result.score_before[result.flipped] > 0
    after = result.score_after[result.flipped]
    assert (after[present] <= -0.3).all()
    assert (after[~present] > 0.3).all()
