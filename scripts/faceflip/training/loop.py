"""The training loop."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from faceflip.errors import UserError
from faceflip.networks import AttributeNetwork, decisions
from faceflip.networks.inference import scores, to_input
from faceflip.progress import ProgressCallback
from faceflip.training.options import TrainingOptions


@dataclass(frozen=True)
class EpochRecord:
    """One row of the training history.

    Attributes:
        epoch: Counted from 1.
        loss: Mean over the epoch's training images, as met (with dropout, before each step).
        training_error: Share of wrong decisions among them.
        validation_error: Share of wrong decisions on the validation images after the epoch (without dropout).
        learning_rate: Of the epoch's last iteration.
        images_per_second: Of the training part.
    """

    epoch: int
    loss: float
    training_error: float
    validation_error: float
    learning_rate: float
    images_per_second: float


@dataclass(frozen=True)
class LabelledImages:
    """Some rows of an image array and their labels.

    Attributes:
        images: (N, H, W, 3) uint8, possibly a memory map.
        rows: (n,) rows of `images`.
        labels: (n, attributes) int8 in {-1, +1}.
    """

    images: np.ndarray
    rows: np.ndarray
    labels: np.ndarray


def train(
    network: AttributeNetwork,
    training: LabelledImages,
    validation: LabelledImages,
    options: TrainingOptions,
    seed: int,
    keep: Callable[[AttributeNetwork, EpochRecord], None],
    progress: ProgressCallback | None = None,
) -> list[EpochRecord]:
    """Train a network in place and return its history.

    The loss is the objective's, averaged over the batch; the images are shuffled anew each epoch and not augmented.
    Everything random follows from `seed`, so that the same call gives the same weights on one machine.

    Args:
        network: On the device to train on.
        training: What to learn from.
        validation: What convergence is judged on.
        options: Hyper-parameters.
        seed: Of shuffling and dropout.
        keep: Called after each epoch, so that the caller can save what it needs.
        progress: Called with the numbers of images done and at most to do.

    Raises:
        UserError: There are fewer training images than a batch holds, or the loss is no longer finite.
    """
    iterations = len(training.rows) // options.batch_size
    if iterations == 0:
        raise UserError(
            f"{len(training.rows)} training images are fewer than one batch of {options.batch_size}; lower batch_size"
        )
    torch.manual_seed(seed)
    shuffle = np.random.default_rng(seed)
    optimiser = torch.optim.RMSprop(
        network.parameters(), lr=options.learning_rate, alpha=options.rms_decay, eps=options.rms_delta, foreach=True
    )
    history: list[EpochRecord] = []
    while not history or not options.finished([record.validation_error for record in history]):
        record = _train_epoch(network, training, validation, options, optimiser, shuffle, len(history) + 1, progress)
        history.append(record)
        keep(network, record)
        print(
            f"epoch {record.epoch}: loss {record.loss:.4f}, training error {record.training_error:.2%}, "
            f"validation error {record.validation_error:.2%}, {record.images_per_second:,.0f} images/s"
        )
    return history


def _train_epoch(
    network: AttributeNetwork,
    training: LabelledImages,
    validation: LabelledImages,
    options: TrainingOptions,
    optimiser: torch.optim.Optimizer,
    shuffle: np.random.Generator,
    epoch: int,
    progress: ProgressCallback | None,
) -> EpochRecord:
    device = next(network.parameters()).device
    size, iterations = options.batch_size, len(training.rows) // options.batch_size
    order = shuffle.permutation(len(training.rows))
    network.train()
    loss_sum = torch.zeros((), device=device)
    wrong = torch.zeros((), device=device, dtype=torch.long)
    rate, start = options.learning_rate, time.monotonic()
    for step in range(iterations):
        batch = order[step * size : (step + 1) * size]
        images = to_input(np.take(training.images, training.rows[batch], axis=0), device)
        labels = torch.from_numpy(training.labels[batch]).to(device)

        rate = options.learning_rate_at((epoch - 1) * iterations + step)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        outputs = network(images)
        loss = network.objective.loss(outputs, labels.float()).mean()
        loss.backward()
        optimiser.step()

        loss_sum += loss.detach()
        wrong += (decisions(network.objective.decision_values(outputs.detach())) != labels).sum()
        if progress:
            progress(((epoch - 1) * iterations + step + 1) * size, options.max_epochs * iterations * size)
    seconds = time.monotonic() - start
    mean_loss = float(loss_sum) / iterations
    if not np.isfinite(mean_loss):
        raise UserError(f"the loss is {mean_loss} in epoch {epoch}; lower training.learning_rate")
    return EpochRecord(
        epoch=epoch,
        loss=mean_loss,
        training_error=int(wrong) / (iterations * size * training.labels.shape[1]),
        validation_error=error_rate(network, validation),
        learning_rate=rate,
        images_per_second=iterations * size / seconds,
    )


def error_rate(network: AttributeNetwork, examples: LabelledImages) -> float:
    """Return the share of wrong decisions over images and attributes; the network is left in evaluation mode."""
    network.eval()
    outputs = torch.from_numpy(scores(network, examples.images, examples.rows))
    decided = decisions(network.objective.decision_values(outputs)).numpy()
    return float((decided != examples.labels).mean())
