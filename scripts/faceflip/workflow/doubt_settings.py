"""What the configuration says of labels in doubt."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from faceflip.networks.architecture import ArchitectureOptions
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.typed import Declared, group, with_defaults
from faceflip.workflow.network_settings import HomePath

PACKAGE, NONE = "package", "none"
"""Words for the rules that come with the package, and for no rules."""
FOLD_LOSS = "bce"
"""Of the networks of folds: its decision values are log odds, and so give probabilities."""
UNHEEDED = ("checkpoints", "min_epochs", "patience", "seed")
"""Options of training that mean nothing here: each fold trains for `max_epochs`, and by the run's `seed`."""

FoldArchitecture = with_defaults(
    "FoldArchitecture",
    ArchitectureOptions,
    name="small_resnet18",
    width=0.25,
    input_scale=0.015625,
    initialisation="msra",
)
_Quick = with_defaults(
    "FoldTraining",
    TrainingOptions,
    batch_size=32,
    learning_rate=2e-3,
    gamma=5e-3,
    power=1.0,
    max_epochs=12,
    min_epochs=1,
    checkpoints=[],
)
"""Options of the networks of folds, with defaults of their own: small, and quick to train."""


class FoldTraining(_Quick):
    """How they are trained: hyper-parameters in Caffe's terms."""

    mirror: bool = Field(
        True, description="images are turned left to right at half of their turns, and scored both ways round"
    )


class DoubtSettings(Declared):
    """What says which labels are in doubt."""

    rules: HomePath = Field(
        PACKAGE,
        min_length=1,
        description="by which labels contradict each other: `package` for CelebA's, `none`, or your own CSV "
        "file, see docs/guides/celeba.md",
    )
    audited: HomePath | None = Field(
        None,
        min_length=1,
        description="labels that somebody looked at again: a table as of `dataset.table`, empty where nobody did; they "
        "settle what rules and scores say",
    )
    folds: int = Field(
        0,
        ge=0,
        le=20,
        description="small networks are trained, each without the images of one fold, and labels that do not fit their "
        "scores are in doubt; 0: none are trained",
    )
    architecture: FoldArchitecture = group(FoldArchitecture, "of these networks, of all attributes")
    training: FoldTraining = group(FoldTraining, "of these networks, all for `max_epochs`")

    @field_validator("folds")
    @classmethod
    def _several(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("expected 0, or from 2 on: each network is trained on the other folds")
        return folds

    @field_validator("training", mode="before")
    @classmethod
    def _heeded(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and (odd := [key for key in UNHEEDED if key in given]):
            raise ValueError(f"{odd[0]}: each fold trains for `max_epochs`, by the run's `seed`; remove this key")
        return given

    @property
    def rules_file(self) -> str | None:
        """The file of rules of your own."""
        return None if self.rules in (PACKAGE, NONE) else self.rules

    @property
    def files(self) -> list[tuple[str, str]]:
        """The files that it names, each with its key."""
        named = {"rules": self.rules_file, "audited": self.audited}
        return [(key, file) for key, file in named.items() if file]
