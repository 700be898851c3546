"""Facial-attribute networks: architectures, objectives and checkpoints."""

from faceflip.networks.network import AttributeNetwork, NetworkSpec, build, outline
from faceflip.networks.objectives import OBJECTIVES, decisions

__all__ = ["OBJECTIVES", "AttributeNetwork", "NetworkSpec", "build", "decisions", "outline"]
