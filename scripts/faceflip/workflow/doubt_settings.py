"""What the configuration says of labels in doubt."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from faceflip.networks.architecture import ArchitectureOptions
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.typed import Declared
from faceflip.workflow.network_settings import HomePath

PACKAGE, NONE = "package", "none"
"""Words for the rules that come with the package, and for no rules."""
SMALL = {"name": "small_resnet18", "width": 0.25, "input_scale": 0.015625, "initialisation": "msra"}
QUICK = {"batch_size": 32, "learning_rate": 1e-3, "gamma": 2e-3, "max_epochs": 12, "min_epochs": 1, "checkpoints": []}
FOLD_LOSS = "bce"
"""Of the networks of folds: its decision values are log odds, and so give probabilities."""
UNHEEDED = ("checkpoints", "min_epochs", "patience", "seed")
"""Options of training that mean nothing here: each fold trains for `max_epochs`, and by the run's `seed`."""


def _over(defaults: Mapping[str, Any]) -> BeforeValidator:
    """Lay what is given over other defaults than the type's own."""
    return BeforeValidator(lambda given: {**defaults, **given} if isinstance(given, Mapping) else given)


class DoubtSettings(Declared):
    """What says which labels are in doubt."""

    rules: HomePath = Field(
        PACKAGE,
        min_length=1,
        description="by which labels contradict each other: `package` for CelebA's, `none`, or a CSV file of one's "
        "own, see docs/labels.md",
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
    architecture: Annotated[ArchitectureOptions, _over(SMALL)] = Field(
        default_factory=lambda: ArchitectureOptions(**SMALL),
        description="of these networks: `small_resnet18` of a quarter of its width, but for the keys that differ",
    )
    training: Annotated[TrainingOptions, _over(QUICK)] = Field(
        default_factory=lambda: TrainingOptions(**QUICK),
        description=f"of these networks: {', '.join(f'`{key}: {QUICK[key]:g}`' for key in list(QUICK)[:4])}, but for "
        "the keys that differ",
    )

    @field_validator("folds")
    @classmethod
    def _several(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("expected 0, or from 2 on: each network is trained on the other folds")
        return folds

    @field_validator("training", mode="before")
    @classmethod
    def _heeded(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and (
            odd := [key for key in UNHEEDED if given.get(key) not in (None, QUICK.get(key))]
        ):
            raise ValueError(f"{odd[0]}: each fold trains for `max_epochs`, by the run's `seed`; remove this key")
        return given

    @property
    def rules_file(self) -> str | None:
        """The file of rules of one's own."""
        return None if self.rules in (PACKAGE, NONE) else self.rules

    @property
    def files(self) -> list[tuple[str, str]]:
        """The files that it names, each with its key."""
        named = {"rules": self.rules_file, "audited": self.audited}
        return [(key, file) for key, file in named.items() if file]
