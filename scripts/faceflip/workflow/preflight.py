"""What of a configuration can be tried out only where networks and faces are, before anything is spent on them."""

from collections.abc import Mapping
from typing import Any

from faceflip.catalogue import READERS, find_architecture
from faceflip.data.celeba import SPLITS
from faceflip.errors import UserError
from faceflip.registry import is_reference, load
from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings


def require_images(settings: Settings) -> None:
    """Raise UserError, naming all, where samples or batches ask for more images than their split has.

    Raises it, too, where the labels cannot be read. Drawn faces are counted when the configuration is checked.
    """
    if settings.dataset.drawn:
        return
    name, arguments = settings.dataset.reader
    splits = load(READERS[name])(**arguments).table["split"].tolist()
    if faults := list(settings.faults_of_sizes({split: splits.count(split) for split in SPLITS})):
        raise UserError("\n".join(faults))


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
