"""Trying out the network that a configuration names, before anything is spent on it."""

from faceflip.architecture_names import VGG16
from faceflip.celeba import ATTRIBUTES, HEIGHT, WIDTH
from faceflip.config import Config


def require_network(config: Config) -> None:
    """Check that the configured architecture can be built and takes images of the configured size.

    For our own, which takes any, this does not import PyTorch (seconds).

    Raises:
        UserError: It cannot, or does not.
    """
    if config["network"]["architecture"] == VGG16:
        return
    from faceflip.networks import NetworkSpec, outline

    size = tuple(config["dataset"]["image_size"] or (WIDTH, HEIGHT))
    # All kinds of networks are the same but for the number of their outputs.
    kind = {"objective": "euclidean", "attributes": ATTRIBUTES[:1], "image_size": size}
    outline(NetworkSpec.from_dict({**kind, **config["network"]}))
