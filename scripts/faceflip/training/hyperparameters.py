"""How a network is trained: the options of `training` in the configuration, read without PyTorch."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from faceflip.typed import Declared

MAX_SEED = 2**63 - 1
"""The largest seed of a run, or of a part of it."""

OwnSeed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Epoch = Annotated[int, Field(ge=1, le=10_000)]


class TrainingOptions(Declared):
    """Hyper-parameters in Caffe's terms; the defaults are the paper's, or Caffe's where the paper is silent."""

    batch_size: int = Field(
        64, ge=1, le=65_536, description="images an iteration; what is left over at the end of an epoch is dropped"
    )
    learning_rate: float = Field(1e-5, gt=0, le=1e3, description="Caffe's `base_lr`")
    gamma: float = Field(1e-4, ge=0, le=1e3, description="the rate is learning_rate * (1 + gamma * iteration) ^ -power")
    power: float = Field(0.75, ge=0, le=100, description="see `gamma`")
    rms_decay: float = Field(0.98, ge=0, lt=1, description="RMSProp's decay of the mean squared gradient")
    rms_delta: float = Field(1e-8, gt=0, le=1, description="added to the root of the mean squared gradient")
    checkpoints: list[Epoch] = Field(
        [2], max_length=100, description="epochs N whose weights are kept as checkpoint `epochN`, beside `converged`"
    )
    min_epochs: Epoch = Field(2, description="the first epoch that can count as converged")
    max_epochs: Epoch = Field(10, description="training ends here at the latest")
    patience: Epoch = Field(3, description="training ends after so many epochs without a lower validation error")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="`bfloat16`: convolutions and matrix products of training and validation in bfloat16; weights, "
        "loss and updates stay in float32",
    )
    tf32: bool = Field(False, description="float32 products on NVIDIA GPUs may use TensorFloat-32")
    compile: bool = Field(False, description="`torch.compile`, which pays off in long trainings on GPUs")
    seed: int | None = Field(
        None,
        ge=0,
        le=MAX_SEED,
        description="decides first weights, order of images and dropout, with names of network and attributes; null: "
        "the run's `seed`",
    )

    @model_validator(mode="after")
    def _epochs_fit(self) -> Self:
        """Check that training is long enough for all that is to be kept of it."""
        if len(set(self.checkpoints)) != len(self.checkpoints):
            raise ValueError(f"checkpoints: {self.checkpoints} names an epoch twice")
        if self.max_epochs < self.least_epochs:
            needed = "min_epochs" if self.min_epochs == self.least_epochs else "the last of checkpoints"
            raise ValueError(f"max_epochs: {self.max_epochs} is less than {needed}, {self.least_epochs}")
        return self

    @property
    def least_epochs(self) -> int:
        """The epochs that every training has: until one can count as converged, and all checkpoints are kept."""
        return max([self.min_epochs, *self.checkpoints])

    def learning_rate_at(self, iteration: int) -> float:
        """Return Caffe's policy "inv": base_lr * (1 + gamma * iteration)^(-power), iterations counted from 0."""
        return self.learning_rate * (1 + self.gamma * iteration) ** -self.power

    def converged_epoch(self, validation_errors: Sequence[float]) -> int:
        """Return the epoch (from 1) of the lowest validation error among those that can count as converged."""
        candidates = range(self.min_epochs, len(validation_errors) + 1)
        return min(candidates, key=lambda epoch: validation_errors[epoch - 1])

    def kept_epochs(self, validation_errors: Sequence[float]) -> set[int]:
        """Return the epochs whose weights are needed if training ends here, or may be later."""
        epochs = len(validation_errors)
        kept = {epoch for epoch in self.checkpoints if epoch <= epochs}
        return kept | {self.converged_epoch(validation_errors)} if epochs >= self.min_epochs else kept

    def finished(self, validation_errors: Sequence[float]) -> bool:
        """Return whether training ends after the epochs that these errors belong to."""
        epochs = len(validation_errors)
        if epochs < self.least_epochs:
            return False
        return epochs >= self.max_epochs or epochs - self.converged_epoch(validation_errors) >= self.patience
