"""The training loop, which can be stopped after any step and taken up again."""

import math
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
from faceflip.training.diets import Diet
from faceflip.training.feed import Feed, LabelledImages, Resident
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.optimiser import RMSProp

LOOKED_AT = 50
"""Batches at most from which a training learns how large gradients are before it goes on with a trained network."""


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

    The loss is the objective's, averaged over the batch; the images are shuffled anew each epoch, and not augmented,
    unless they are mirrored.
    Everything random follows from the seed, so that the same training gives the same weights on one machine.

    Attributes:
        network: In training, in place.
        history: A record of each finished epoch.
        step: Iterations done in the epoch after those.
        iterations: Of an epoch.
        seconds: That each finished epoch took, without validation and what is saved.
    """

    def __init__(
        self,
        network: AttributeNetwork,
        training: LabelledImages,
        validation: LabelledImages,
        options: TrainingOptions,
        seed: int,
        residence: Resident | str = "auto",
        diet: Diet | None = None,
        trained: bool = False,
        mirror: bool = False,
    ) -> None:
        """Begin a training on the device that the network is on; for `residence` see `Feed`.

        A `diet` gives the network other images than the clean ones. One that is `trained` already is looked at first.
        With `mirror` it sees images turned left to right at half of their turns.

        Raises:
            UserError: There are fewer training images than a batch holds, or the loss cannot leave out unknown labels.
        """
        self.network = network
        self.history: list[EpochRecord] = []
        self.seconds: list[float] = []
        self._options, self._validation, self._diet = options, validation, diet or Diet()
        self._rows, self._images, self._trained, self._seed = training.rows, len(training.rows), trained, seed
        self._mirror = mirror
        self._gaps = bool((training.labels == 0).any())
        if self._gaps:
            network.objective.require_sum(training.labels.shape[1])
        self.iterations = self._images // options.batch_size
        if self.iterations == 0:
            raise UserError(
                f"{self._images} training images are fewer than one batch of {options.batch_size}; lower batch_size"
            )
        self._device = next(network.parameters()).device
        self._forward = torch.compile(network, dynamic=False) if options.compile else network
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
        print(self._optimiser.how)
        size = self._options.batch_size
        if self._trained and not self.images_done:
            self._look_ahead()
        while not self._options.finished(self.validation_errors):
            self.network.train()
            before, first = self._spent, self.step
            begun = time.monotonic()
            for images, labels in self._diet.batches(self, self._feed, self._order, size):
                self.learn(self._turned(images) if self._mirror else images, labels)
                self._spend(begun)
                if progress:
                    progress(self.images_done, self._options.max_epochs * self.iterations * size, self._note)
                after_step(self)
                begun = time.monotonic()
            self._wait()
            self._spend(begun)
            seconds = max(self._spent - before, 1e-9)
            record = self._end_epoch()
            keep(self.network, record)
            print(
                f"epoch {record.epoch}: loss {record.loss:.4f}, training error {record.training_error:.2%}, "
                f"validation error {record.validation_error:.2%}, "
                f"{(self.iterations - first) * size / seconds:,.0f} images/s"
            )
            self._begin_epoch()
            after_step(self)
        return self.history

    @property
    def batch_size(self) -> int:
        """Images of a step."""
        return self._options.batch_size

    @property
    def validation_errors(self) -> list[float]:
        """After each finished epoch."""
        return [record.validation_error for record in self.history]

    @property
    def images_done(self) -> int:
        """Training images that the network has learned from, counted each time."""
        return (len(self.history) * self.iterations + self.step) * self._options.batch_size

    def met(self, places: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return which images stood at these places of the batches of all finished epochs, and how often each did.

        They are rows of the image array, ascending; the same generator draws the same orders anew.
        """
        shuffle, size, times = np.random.default_rng(self._seed), self._options.batch_size, np.zeros(self._images, int)
        for _ in self.history:
            batches = shuffle.permutation(self._images)[: self.iterations * size].reshape(-1, size)
            times += np.bincount(batches[:, places].ravel(), minlength=self._images)
        there = np.flatnonzero(times)
        there = there[np.argsort(self._rows[there])]
        return self._rows[there], times[there]

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
            "seconds": [*self.seconds, self._spent],
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
        *self.seconds, self._spent = state.get("seconds", [0.0] * (len(self.history) + 1))
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
        self.step, self._spent = 0, 0.0
        self._loss_sum = torch.zeros((), device=self._device)
        self._wrong = torch.zeros((), device=self._device, dtype=torch.long)
        self._judged = torch.zeros((), device=self._device, dtype=torch.long)

    def outputs(self, images: Tensor) -> Tensor:
        """Return the network's scores (N, outputs) of images (N, 3, H, W) on 0-255, as training computes them."""
        with self._precision():
            outputs = self._forward(images)
        return outputs.float()

    def _turned(self, images: Tensor) -> Tensor:
        """Turn about half of the images left to right; the generator that decides is that of dropout."""
        turned = torch.rand(len(images)) < 0.5
        return torch.where(turned.to(images.device)[:, None, None, None], images.flip(3), images)

    def learn(self, images: Tensor, labels: Tensor) -> None:
        """Take one step on a batch: images (N, 3, H, W) on 0-255, labels (N, attributes) in {-1, 0, +1}.

        Unknown labels, 0, take no part.
        """
        loss, outputs = self._gradients(images, labels)
        self._optimiser.step(self._options.learning_rate_at(len(self.history) * self.iterations + self.step))
        self.step += 1
        self._loss_sum += loss
        wrong = decisions(self.network.objective.decision_values(outputs)) != labels
        if self._gaps:
            self._judged += (labels != 0).sum()
            wrong &= labels != 0
        self._wrong += wrong.sum()

    def _gradients(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Let the parameters have the gradients of the mean loss of a batch; return that, and the scores."""
        self._optimiser.forget_gradients()
        outputs = self.outputs(images)
        objective = self.network.objective
        loss = (objective.known_loss if self._gaps else objective.loss)(outputs, labels.float()).mean()
        loss.backward()
        return loss.detach(), outputs.detach()

    def _look_ahead(self) -> None:
        """Let the optimiser know from the first batches how large gradients are, and leave all else as it is.

        RMSProp divides by the root of the mean square h, which checkpoints do not hold. From h = 0 its first step has
        a length of 1 / sqrt(1 - decay), seven times its usual one for 0.98, in every weight, however small the
        gradient: a trained network would be shaken before it is tuned. So h starts as the mean of squares of clean
        batches, of as many as it remembers, with the weights as they are. Buffers, such as the statistics of
        BatchNorm, and the generators of random numbers are put back afterwards.
        """
        begun, size = time.monotonic(), self._options.batch_size
        batches = min(LOOKED_AT, math.ceil(1 / (1 - self._options.rms_decay)), self.iterations)
        buffers = [(buffer, buffer.clone()) for buffer in self.network.buffers()]
        with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
            self.network.train()
            for images, labels in self._feed.batches(self._order[: batches * size], size):
                self._gradients(images, labels)
                self._optimiser.gather()
        self._optimiser.unbias(batches)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        self._wait()
        self._spend(begun)

    def _spend(self, begun: float) -> None:
        self._spent += time.monotonic() - begun

    def _wait(self) -> None:
        """Wait until the device has done what it was given, so that its time is counted."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _end_epoch(self) -> EpochRecord:
        """Judge the network on the validation images and add to the history."""
        epoch = len(self.history) + 1
        loss, error = self._means()
        if not np.isfinite(loss):
            raise UserError(f"the loss is {loss} in epoch {epoch}; lower training.learning_rate")
        with self._precision():
            validation_error = error_rate(self.network, self._validation)
        rate = self._options.learning_rate_at(epoch * self.iterations - 1)
        self.history.append(EpochRecord(epoch, loss, error, validation_error, rate))
        self.seconds.append(self._spent)
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
            f"step {self.step:,} of {self.iterations:,}, loss {loss:.4f}, error {error:.2%}"
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
