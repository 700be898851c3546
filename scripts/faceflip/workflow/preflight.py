"""What of a configuration can be tried out only where networks, faces and attacks are, before anything is spent."""

import json
import subprocess
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from faceflip.catalogue import find_architecture
from faceflip.data.celeba import SPLITS
from faceflip.errors import UserError
from faceflip.registry import is_reference
from faceflip.runtime.elsewhere import python
from faceflip.workflow.doubt_settings import FOLD_LOSS
from faceflip.workflow.plan import ALL, Plan, PlannedNetwork
from faceflip.workflow.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

MARK = "\x1efaceflip: "
"""Stands before what was found, behind whatever else a process of its own has said."""


def require_images(settings: Settings) -> None:
    """Raise UserError, naming all, where samples or batches ask for more images than their split has.

    Raises it, too, where the labels cannot be read, or leave a training fewer labelled images than a batch. Drawn faces
    are counted when the configuration is checked.
    """
    if settings.dataset.drawn:
        return
    table = settings.dataset.open().table
    splits = table["split"].tolist()
    faults = list(settings.faults_of_sizes({split: splits.count(split) for split in SPLITS}))
    if settings.dataset.table:
        faults += _faults_of_gaps(Plan(settings), table)
    if faults:
        raise UserError("\n".join(faults))


def _faults_of_gaps(plan: Plan, table: "pd.DataFrame") -> Iterator[str]:
    """Yield what unknown labels make impossible."""
    training = table[table["split"] == SPLITS[0]]
    for network in plan.trained:
        batch = network.settings.training.batch_size
        for member in network.members:
            known = training[list(network.attributes_of(member))] != 0
            if (images := int(known.any(axis=1).sum())) < batch:
                whose = f"attribute {member!r}" if member != ALL else "an attribute"
                yield (
                    f"networks.{network.name}.training.batch_size: {batch} is more than the {images} training images "
                    f"on which {whose} is known"
                )
            if is_reference(network.settings.loss) and not known.to_numpy().all():
                from faceflip.networks.objectives import objective_of

                try:
                    objective_of(network.settings.loss).require_sum(known.shape[1])
                except UserError as error:
                    yield f"networks.{network.name}.loss: {error}"


def require_brought(config: Mapping[str, Any], names: Collection[str]) -> None:
    """Do what `require_networks` does of some networks, in a process of its own: they are code of the user's.

    What it imports, prints or leaves behind is not the caller's, which has the whole run before it.
    """
    program = (
        "import json, sys; from faceflip.errors import UserError; "
        "from faceflip.workflow.preflight import require_networks\n"
        "try: require_networks(*json.load(sys.stdin))\n"
        f"except UserError as error: sys.stderr.write({MARK!r} + str(error))"
    )
    asked = json.dumps([config, list(names)], default=str)
    said = subprocess.run(**python(program), input=asked, capture_output=True, text=True)
    before, found, fault = said.stderr.partition(MARK)
    if found or said.returncode:
        last = before.strip().rpartition("\n")[2]
        raise UserError(
            fault or f"network {', '.join(names)}: trying it out ended with status {said.returncode}: {last}"
        )


def require_networks(config: Mapping[str, Any], names: Collection[str] | None = None) -> None:
    """Raise UserError, naming all, unless each network can be built and takes images of the configured size.

    Of those that were trained elsewhere the weights must fit, too. Of all networks, or of those of some `names`. For
    our own architecture and losses this does not import PyTorch (seconds).
    """
    plan = Plan(Settings.of(config))
    faults: dict[str, list[str]] = {}
    for network in plan.main:
        if names is None or network.name in names:
            try:
                _try_out(network, plan.settings.dataset.size)
            except UserError as error:
                faults.setdefault(str(error), []).append(network.name)
    lines = [f"network {', '.join(each)}: {fault}" for fault, each in faults.items()]
    if names is None:
        try:
            _try_out_folds(plan.settings)
        except UserError as error:
            lines.append(f"doubt: {error}")
    if lines:
        raise UserError("\n".join(lines))


def _try_out_folds(settings: Settings) -> None:
    """Raise UserError unless the networks of folds can be built and take images of the configured size."""
    doubt, dataset = settings.doubt, settings.dataset
    if doubt.folds and not find_architecture(doubt.architecture.name).any_size:
        from faceflip.networks.network import NetworkSpec, outline

        outline(NetworkSpec(FOLD_LOSS, dataset.attributes, dataset.size, doubt.architecture))


def require_attacks(config: Mapping[str, Any]) -> None:
    """Raise UserError, naming all, unless each attack by `file` can be imported and takes its options."""
    faults = []
    for name, attack in Settings.of(config).attacks.items():
        if not attack.file:
            continue
        from faceflip.attacks.conventions import foreign_attack

        try:
            foreign_attack(attack.file, attack.options)
        except UserError as error:
            faults.append(f"attacks.{name}: {error}")
    if faults:
        raise UserError("\n".join(faults))


def _try_out(network: PlannedNetwork, size: tuple[int, int]) -> None:
    """Raise UserError unless a network can be built, with its weights if it has any, and takes images of a size."""
    settings = network.settings
    known = not network.brought and find_architecture(settings.architecture.name).any_size
    if known and not is_reference(settings.loss):
        return
    from faceflip.networks.bringing import bring
    from faceflip.networks.network import NetworkSpec, outline

    attributes = network.attributes_of(network.members[0])
    spec = NetworkSpec(settings.loss, attributes, size, settings.architecture, settings.brought)
    if network.brought:
        bring(spec, settings.weights, settings.entry)
    else:
        outline(spec)
