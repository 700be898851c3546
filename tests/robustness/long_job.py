"""One long attack or scoring job in a process of its own, and the memory that it takes on the way.

    python tests/robustness/long_job.py {attack,score} FOLDER ATTEMPTS

Its last line is JSON: seconds, and resident memory (MB) after a quarter, half and all of the time.
"""

import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import torch

from faceflip.attempt import Experiment
from faceflip.data.packed import Dataset
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, save_checkpoint
from faceflip.networks.network import NetworkSpec, build
from faceflip.stages.attack import ShardOfAttempts, attack_shard
from faceflip.stages.score import score_shard
from faceflip.workflow.plan import Part

IMAGES = 500
SIZE = (44, 54)


def dataset():
    """Return blobs of noise as images: what they show does not matter here."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(40, 215, (IMAGES, 9, 11, 3), dtype=np.uint8)
    images = np.repeat(np.repeat(coarse, 6, axis=1), 4, axis=2)
    labels = rng.choice(np.array([-1, 1], np.int8), (IMAGES, 40))
    names = np.array([f"{number:06d}.jpg" for number in range(IMAGES)])
    return Dataset(images, labels, np.zeros(IMAGES, np.uint8), names, {"fingerprint": "5e" * 32})


def attack(folder, attempts):
    checkpoint = folder / "converged.pt"
    architecture = ArchitectureOptions(width=0.02, initialisation="msra", input_scale=0.015625)
    network = build(NetworkSpec("euclidean", ("Smiling",), SIZE, architecture), 1)
    save_checkpoint(checkpoint, network, CheckpointInfo("euclidean", "Smiling", 1, {}, {}, "5e" * 32))
    experiment = Experiment("paper", "euclidean", "converged", "ffa-line")
    attack_shard(
        folder / "000.h5",
        ShardOfAttempts(
            experiment,
            number=0,
            first_attempt=0,
            parts=[Part("Smiling", "Smiling", 0, attempts)],
            options={"search": "doubling", "max_epsilon": 255, "batch_size": 32},
            seed=1,
        ),
        {"Smiling": checkpoint},
        dataset(),
        np.arange(attempts) % IMAGES,
        torch.device("cpu"),
    )


def score(folder, attempts):
    table = score_shard(folder / "000.h5", dataset(), color="rgb", engine="cpu")
    assert len(table) == attempts


def main(what, folder, attempts):
    samples, done = [], threading.Event()

    def sample():
        while not done.wait(0.1):
            samples.append(psutil.Process().memory_info().rss / 1e6)

    start = time.monotonic()
    sampler = threading.Thread(target=sample)
    sampler.start()
    {"attack": attack, "score": score}[what](Path(folder), attempts)
    done.set()
    sampler.join()
    memory = [samples[len(samples) // 4], samples[len(samples) // 2], samples[-1]]
    print(json.dumps({"seconds": time.monotonic() - start, "memory": memory}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
