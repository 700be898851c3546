"""How a network is trained."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingOptions:
    """Hyper-parameters in Caffe's terms; the defaults are the paper's where it gives them.

    Attributes:
        batch_size: Images an iteration; what is left over at the end of an epoch is dropped.
        learning_rate: `base_lr`.
        gamma: Of the inverse decay policy.
        power: Of the inverse decay policy.
        rms_decay: RMSProp's decay of the mean squared gradient.
        rms_delta: Added to the root of the mean squared gradient.
        early_epoch: The epoch whose weights are kept as `epoch2`, and the first that can count as converged.
        max_epochs: Training ends here at the latest.
        patience: Training ends after this many epochs without a lower validation error.
        precision: ``float32``, or ``bfloat16`` for mixed precision: convolutions and matrix products of training and
            validation in bfloat16; weights, loss and updates stay in float32.
        tf32: Let float32 convolutions and matrix products on NVIDIA GPUs use TensorFloat-32.
        compile: Run the network through `torch.compile`.
    """

    batch_size: int = 64
    learning_rate: float = 1e-5
    gamma: float = 1e-4
    power: float = 0.75
    rms_decay: float = 0.98
    rms_delta: float = 1e-8
    early_epoch: int = 2
    max_epochs: int = 10
    patience: int = 3
    precision: str = "float32"
    tf32: bool = False
    compile: bool = False

    def learning_rate_at(self, iteration: int) -> float:
        """Return Caffe's policy "inv": base_lr * (1 + gamma * iteration)^(-power), iterations counted from 0."""
        return self.learning_rate * (1 + self.gamma * iteration) ** -self.power

    def converged_epoch(self, validation_errors: Sequence[float]) -> int:
        """Return the epoch (from 1) of the lowest validation error among those that can count as converged."""
        candidates = range(self.early_epoch, len(validation_errors) + 1)
        return min(candidates, key=lambda epoch: validation_errors[epoch - 1])

    def kept_epochs(self, validation_errors: Sequence[float]) -> set[int]:
        """Return the epochs whose weights are needed if training ends here, or may be later."""
        if len(validation_errors) < self.early_epoch:
            return set()
        return {self.early_epoch, self.converged_epoch(validation_errors)}

    def finished(self, validation_errors: Sequence[float]) -> bool:
        """Tell whether training ends after the epochs that these errors belong to."""
        epochs = len(validation_errors)
        if epochs < self.early_epoch:
            return False
        return epochs >= self.max_epochs or epochs - self.converged_epoch(validation_errors) >= self.patience
