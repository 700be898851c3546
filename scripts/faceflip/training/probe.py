"""How fast a network can be trained on a device, found by trying for some seconds."""

import time

import numpy as np
import torch

from faceflip.errors import UserError
from faceflip.networks.network import NetworkSpec, build
from faceflip.training.feed import Feed, LabelledImages
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.loop import Training


def images_per_second(
    spec: NetworkSpec, options: TrainingOptions, device: torch.device, seconds: float = 10.0
) -> float:
    """Train on noise for some seconds, two steps at least, and return the images a second after the first step.

    Raises:
        UserError: A batch does not fit into the GPU's memory.
    """
    width, height = spec.image_size
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (options.batch_size, height, width, 3), dtype=np.uint8)
    labels = random.choice([-1, 1], (options.batch_size, len(spec.attributes))).astype(np.int8)
    noise = LabelledImages(images, np.arange(len(images)), labels)
    training = Training(build(spec, seed=0).to(device), noise, noise, options, seed=0)
    try:
        ((batch, wanted),) = Feed(noise, device).batches(np.arange(len(images)), len(images))
        steps, begun = -1, 0.0
        while steps < 1 or time.perf_counter() - begun < seconds:
            training.learn(batch, wanted)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            steps += 1
            begun = begun if steps else time.perf_counter()
        return steps * options.batch_size / (time.perf_counter() - begun)
    except torch.OutOfMemoryError as error:
        raise UserError(f"a batch of {options.batch_size} images does not fit into the memory of {device}") from error
