"""How a network is fine-tuned from another: the options of a network with `from`, read without PyTorch."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from faceflip.catalogue import DIETS, DietEntry
from faceflip.typed import Declared

Factor = Annotated[float, Field(ge=0, le=100)]


class AdversaryOptions(Declared):
    """The attack that makes a diet on the fly: within eps of a clean image, in pixel values, up the training's loss."""

    eps: float = Field(8.0, gt=0, le=255, description="largest change of a pixel value")
    warm_up: float = Field(
        0.5, ge=0, le=1, description="share of the steps of fine-tuning over which eps grows from 0 to its full size"
    )
    steps: int | None = Field(None, ge=1, le=1000, description="gradient steps; null: 1 of `fgsm-rs`, 7 of `pgd`")
    step_size: float | None = Field(
        None,
        gt=0,
        le=10,
        description="of a gradient step, as a multiple of eps; null: 1.25 of `fgsm-rs` (Wong 2020), 0.25 of `pgd` "
        "(Madry 2018)",
    )


class TuningOptions(Declared):
    """What a network is fine-tuned on."""

    diet: Literal[tuple(DIETS)] = Field(
        "control", description="of fine-tuning: what is learned beside clean images, see docs/guides/fine-tuning.md"
    )
    share: float = Field(
        0.5, ge=0, le=1, description="of fine-tuning: of extra images in each batch, in place of clean ones"
    )
    epochs: int = Field(1, ge=1, le=10_000, description="of fine-tuning, over the training split")
    learning_rate: float | None = Field(
        None, gt=0, le=1e3, description="of fine-tuning, constant; null: the rate at which the source's training ended"
    )
    factors: list[Factor] | None = Field(
        None, min_length=1, description="of fine-tuning: what perturbations are multiplied by; null: the diet's own"
    )
    adversary: AdversaryOptions = Field(
        default_factory=AdversaryOptions, description="of fine-tuning: the attack of the diets `fgsm-rs` and `pgd`"
    )

    @property
    def contents(self) -> DietEntry:
        """What the extra images are; without any (`share: 0`) those of the control."""
        return DIETS[self.diet if self.share else "control"]

    @property
    def parts(self) -> tuple[DietEntry, ...]:
        """By what extra images are made of stores: the diet, or each of its parts, with the factors that hold."""
        if self.contents.parts:
            return tuple(DIETS[part] for part in self.contents.parts)
        return (replace(self.contents, factors=tuple(self.factors)) if self.factors else self.contents,)

    @property
    def heeded(self) -> dict[str, object]:
        """Return the options that the result depends on, as plain values, without those of no use to the diet."""
        contents = self.contents
        rate = {"learning_rate": self.learning_rate} if self.learning_rate else {}
        if contents == DIETS["control"]:
            return {"diet": "control", "epochs": self.epochs, **rate}
        found = self.model_dump(include={"diet", "share", "epochs"}) | rate
        if contents.steps:
            return found | {"adversary": self.adversary.model_dump()}
        return found | ({"factors": self.factors} if self.factors and not contents.parts else {})
