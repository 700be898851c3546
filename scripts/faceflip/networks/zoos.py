"""Architectures of collections: torchvision's and timm's classification models, with fresh weights."""

from typing import Any

from torch import nn

from faceflip.errors import UserError, did_you_mean


def torchvision_model(name: str, outputs: int, image_size: tuple[int, int], **options: Any) -> nn.Module:
    """Build a classification model of torchvision; `options` are keyword arguments of its builder.

    Raises `UserError` with the near names where torchvision has no such model.
    """
    from torchvision import models  # takes seconds to import

    known = models.list_models(module=models)
    if name not in known:
        raise UserError(f"torchvision has no classification model {name!r}{did_you_mean(name, known)}")
    # These two have further classifiers half-way, whose scores would come beside the network's own in training.
    plain = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return models.get_model(name, weights=None, num_classes=outputs, **plain, **options)


def timm_model(name: str, outputs: int, image_size: tuple[int, int], **options: Any) -> nn.Module:
    """Build a model of timm; `options` are keyword arguments of `timm.create_model`.

    Raises `UserError` where timm is not installed, or has no such model.
    """
    try:
        import timm
    except ImportError:
        raise UserError(f"architecture timm/{name} needs the package timm; install it: pip install timm") from None
    if not timm.is_model(name):
        raise UserError(f"timm has no model {name!r}{did_you_mean(name, timm.list_models())}")
    return timm.create_model(name, pretrained=False, num_classes=outputs, **options)
