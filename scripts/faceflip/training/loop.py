"""The training loop, which can be stopped after any step and taken up again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from faceflip.errors import UserError
from faceflip.networks.inference import scores
from faceflip.networks.network import AttributeNetwork
from faceflip.networks.objectives import decisions
from faceflip.runtime.progress import NotedProgress
from faceflip.training.feed import Feed, LabelledImages
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.optimiser import RMSProp


@dataclass(frozen=True)
class EpochRecord:
    """One row of the training history.

    Attributes:
        epoch: Counted from 1.
        loss: Mean over the epoch's training images, as met (with dropout, before each step).
        training_error: Share of wrong decisions among them.
        validation_error: Share of wrong decisions on the validation images after the epoch (without dropout).
        learning_rate: Of the epoch's last iteration.
    """

    epoch: int
    loss: float
    training_error: float
    validation_error: float
    learning_rate: float


class Training:
    """A training under way: everything that its next step depends on.

    The loss is the objective's, averaged over the batch; the images are shuffled anew each epoch and not augmented.
    Everything random follows from the seed, so that the same training gives the same weights on one machine.

    Attributes:
        network: In training, in place.
        history: A record of each finished epoch.
        step: Iterations done in the epoch after those.
    """

    def __init__(
        self,
        network: AttributeNetwork,
        training: LabelledImages,
        validation: LabelledImages,
        options: TrainingOptions,
        seed: int,
        residence: str = "auto",
    ) -> None:
        """Begin a training on the device that the network is on; for `residence` see `Feed`.

        Raises:
            UserError: There are fewer training images than a batch holds, or the loss cannot leave out unknown labels.
        """
        self.network = network
        self.history: list[EpochRecord] = []
        self._options, self._validation = options, validation
        self._images = len(training.rows)
        self._gaps = bool((training.labels == 0).any())
        if self._gaps:
            network.objective.require_sum(training.labels.shape[1])
        self._iterations = self._images // options.batch_size
        if self._iterations == 0:
            raise UserError(
                f"{self._images} training images are fewer than one batch of {options.batch_size}; lower batch_size"
            )
        self._device = next(network.parameters()).device
        self._forward = torch.compile(network) if options.compile else network
        self._optimiser = RMSProp(network.parameters(), options.rms_decay, options.rms_delta)
        self._feed = Feed(training, self._device, residence)
        torch.manual_seed(seed)
        self._shuffle = np.random.default_rng(seed)
        self._begin_epoch()

    def run(
        self,
        keep: Callable[[AttributeNetwork, EpochRecord], None] = lambda *_: None,
        progress: NotedProgress | None = None,
        after_step: Callable[["Training"], None] = lambda _: None,
    ) -> list[EpochRecord]:
        """Train to the end and return the history.

        `keep` is called after each epoch, `after_step` after every step and every epoch, `progress` with the numbers of
        images done and at most to do, and a note on epoch, step, loss and error.

        Raises:
            UserError: The loss is no longer finite.
        """
        print(self._feed.how)
        size = self._options.batch_size
        while not self._options.finished(self.validation_errors):
            self.network.train()
            begun, first = time.monotonic(), self.step
            for images, labels in self._feed.batches(self._order[self.step * size :], size):
                self.learn(images, labels)
                if progress:
                    progress(self.images_done, self._options.max_epochs * self._iterations * size, self._note)
                after_step(self)
            seconds = max(time.monotonic() - begun, 1e-9)
            record = self._end_epoch()
            keep(self.network, record)
            print(
                f"epoch {record.epoch}: loss {record.loss:.4f}, training error {record.training_error:.2%}, "
                f"validation error {record.validation_error:.2%}, "
                f"{(self._iterations - first) * size / seconds:,.0f} images/s"
            )
            self._begin_epoch()
            after_step(self)
        return self.history

    @property
    def validation_errors(self) -> list[float]:
        """After each finished epoch."""
        return [record.validation_error for record in self.history]

    @property
    def images_done(self) -> int:
        """Training images that the network has learned from, counted each time."""
        return (len(self.history) * self._iterations + self.step) * self._options.batch_size

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on, as tensors and plain values; tensors are not copied."""
        return {
            "network": self.network.state_dict(),
            "mean_squares": self._optimiser.mean_squares,
            "torch_generator": torch.get_rng_state(),
            "gpu_generator": torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None,
            # As it was before the epoch's order was drawn, so that the same order is drawn again.
            "shuffle_generator": self._shuffle_before,
            "history": [vars(record) for record in self.history],
            "step": self.step,
            "loss_sum": self._loss_sum,
            "wrong": self._wrong,
            **({"judged": self._judged} if self._gaps else {}),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from where `state` was taken, in this process or another."""
        self.network.load_state_dict(state["network"])
        self._optimiser.restore(state["mean_squares"])
        self.history = [EpochRecord(**record) for record in state["history"]]
        self._shuffle.bit_generator.state = state["shuffle_generator"]
        self._begin_epoch()
        self.step = state["step"]
        self._loss_sum.copy_(state["loss_sum"])
        self._wrong.copy_(state["wrong"])
        if self._gaps:
            self._judged.copy_(state["judged"])
        torch.set_rng_state(state["torch_generator"])
        if self._device.type == "cuda" and state["gpu_generator"] is not None:
            torch.cuda.set_rng_state(state["gpu_generator"], self._device)

    def _begin_epoch(self) -> None:
        self._shuffle_before = self._shuffle.bit_generator.state
        self._order = self._shuffle.permutation(self._images)
        self.step = 0
        self._loss_sum = torch.zeros((), device=self._device)
        self._wrong = torch.zeros((), device=self._device, dtype=torch.long)
        self._judged = torch.zeros((), device=self._device, dtype=torch.long)

    def learn(self, images: Tensor, labels: Tensor) -> None:
        """Take one step on a batch: images (N, 3, H, W) on 0-255, labels (N, attributes) in {-1, 0, +1}.

        Unknown labels, 0, take no part.
        """
        self._optimiser.forget_gradients()
        with self._precision():
            outputs = self._forward(images)
        outputs = outputs.float()
        objective = self.network.objective
        loss = (objective.known_loss if self._gaps else objective.loss)(outputs, labels.float()).mean()
        loss.backward()
        self._optimiser.step(self._options.learning_rate_at(len(self.history) * self._iterations + self.step))
        self.step += 1
        self._loss_sum += loss.detach()
        wrong = decisions(objective.decision_values(outputs.detach())) != labels
        if self._gaps:
            self._judged += (labels != 0).sum()
            wrong &= labels != 0
        self._wrong += wrong.sum()

    def _end_epoch(self) -> EpochRecord:
        """Judge the network on the validation images and add to the history."""
        epoch = len(self.history) + 1
        loss, error = self._means()
        if not np.isfinite(loss):
            raise UserError(f"the loss is {loss} in epoch {epoch}; lower training.learning_rate")
        with self._precision():
            validation_error = error_rate(self.network, self._validation)
        rate = self._options.learning_rate_at(epoch * self._iterations - 1)
        self.history.append(EpochRecord(epoch, loss, error, validation_error, rate))
        return self.history[-1]

    def _means(self) -> tuple[float, float]:
        """Return mean loss and error of the epoch so far; this waits for the device."""
        met = self.step * self._options.batch_size * self._validation.labels.shape[1]
        judged = int(self._judged) if self._gaps else met
        return float(self._loss_sum) / self.step, int(self._wrong) / max(judged, 1)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._options.precision == "bfloat16")

    def _note(self) -> str:
        loss, error = self._means()
        return (
            f"epoch {len(self.history) + 1} of at most {self._options.max_epochs}, "
            f"step {self.step:,} of {self._iterations:,}, loss {loss:.4f}, error {error:.2%}"
        )


def error_rate(network: AttributeNetwork, examples: LabelledImages) -> float:
    """Return the share of wrong decisions over images and attributes whose label is known.

    The network is left in evaluation mode.
    """
    network.eval()
    outputs = torch.from_numpy(scores(network, examples.images, examples.rows))
    if not outputs.isfinite().all():
        raise UserError("the network's scores of validation images are not finite; lower training.learning_rate")
    decided = decisions(network.objective.decision_values(outputs)).numpy()
    return float((decided != examples.labels)[examples.labels != 0].mean())
