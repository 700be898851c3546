"""Trying out the networks that a configuration names, before anything is spent on them."""

from collections.abc import Mapping
from typing import Any

from faceflip.catalogue import find_architecture
from faceflip.errors import UserError
from faceflip.registry import is_reference
from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings


def require_networks(config: Mapping[str, Any]) -> None:
    """Raise UserError, naming all, unless each network can be built and takes images of the configured size.

    For our own architecture and losses this does not import PyTorch (seconds).
    """
    plan = Plan(Settings.of(config))
    faults = {}
    for network in plan.networks.values():
        architecture, loss = network.settings.architecture, network.settings.loss
        if find_architecture(architecture.name).any_size and not is_reference(loss):
            continue
        from faceflip.networks.network import NetworkSpec, outline

        try:
            outline(
                NetworkSpec(loss, network.attributes_of(network.members[0]), plan.settings.dataset.size, architecture)
            )
        except UserError as error:
            faults.setdefault(str(error), []).append(network.name)
    if faults:
        raise UserError("\n".join(f"network {', '.join(names)}: {fault}" for fault, names in faults.items()))
