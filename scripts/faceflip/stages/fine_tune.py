"""One network's fine-tuning, from the checkpoint of another and what attacks found on that."""

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.files import replacing, sha256, sweep
from faceflip.io.paths import UNFINISHED
from faceflip.io.tables import write_table
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint
from faceflip.networks.network import AttributeNetwork
from faceflip.runtime.progress import NotedProgress
from faceflip.seeds import derive
from faceflip.stages.flips import Chosen, Wanted, choose, doubted_labels, flips_of
from faceflip.stages.train import carry_out, computed_by, known_images, telling_memory, write_history
from faceflip.training.adversary import Adversary, OnTheFly
from faceflip.training.diets import Diet, ExtraImages, Mixed
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.loop import EpochRecord, Training
from faceflip.training.resuming import Unfinished
from faceflip.training.tuning import TuningOptions
from faceflip.wording import quantity
from faceflip.workflow.versions import VERSIONS


@dataclass(frozen=True)
class TunedFiles:
    """Where the results of a fine-tuning go; what is needed to continue it lies in a folder beside the history.

    The checkpoint is of the last epoch. The history is a CSV file, a row an epoch; the table of images says which of
    the dataset were learned from.
    """

    checkpoint: Path
    history: Path
    images: Path


def fine_tune(
    dataset: Dataset,
    network: str,
    member: str,
    source: Path,
    attributes: Sequence[str],
    tuning: TuningOptions,
    training: TrainingOptions,
    stores: Sequence[tuple[Path, Path]],
    threshold: float,
    held_out: np.ndarray,
    seed: int,
    device: torch.device,
    files: TunedFiles,
    save_every: float = 300,
    residence: str = "auto",
    progress: Callable[[int], NotedProgress] | None = None,
    own_code: Collection[str] = (),
    doubts: Path | None = None,
) -> None:
    """Train the network of the checkpoint `source` on, by a diet, and write its checkpoint, history and images.

    Options of `training` are heeded but for rate, checkpoints and epochs: the rate is constant, that of `tuning`,
    or where that is None the one at which the source's training ended. `stores` are shards of an attack on the
    source with their scores, whose attempts of PASS >= `threshold` make extra images. Rows `held_out` of the
    dataset take no part. The order of the clean images depends on `seed`, source and attributes, not on the diet, so
    that one diet can be compared with another. Network, member, and what is not named here are as of
    `train_and_save`; continued, too, the checkpoint has the same bytes. `own_code`: see `load_checkpoint`. No extra
    image is made of labels that the file `doubts` names, see `doubted_labels`.

    Raises UserError, naming all faults, before anything is spent: the source is a program, or does not say its rate; a
    store is of another network, dataset or sample than it may be; there are too few images. And what `train_and_save`
    raises.
    """
    epochs = tuning.epochs
    options = training.model_copy(
        update={"gamma": 0.0, "checkpoints": [epochs], "min_epochs": epochs, "max_epochs": epochs}
    )
    with telling_memory(options, f"network {network}", dataset.image_size, device):
        tuned, info = load_checkpoint(source, device, attributes=attributes, own_code=own_code)
    spec, digest = tuned.spec, sha256(source)
    rows = np.setdiff1d(dataset.rows("train"), held_out)
    clean = known_images(dataset, rows, spec.attributes)
    rate = tuning.learning_rate or info.metrics.get("learning_rate")
    extra = round(tuning.share * options.batch_size) if tuning.contents.of_store or tuning.contents.steps else 0
    stores = stores if extra and tuning.contents.of_store else ()
    takes, doubted = frozenset(part.takes for part in tuning.parts), doubted_labels(doubts) if doubts else frozenset()
    wanted = Wanted(member, digest, spec.attributes, threshold, takes, doubted)
    chosen, faults = choose(stores, wanted, dataset, rows)
    faults = _faults(dataset, source, tuned, rate, len(clean.rows), options.batch_size) + faults
    if faults:
        raise UserError("\n".join([f"networks.{network} cannot be fine-tuned from {source}", *faults]))

    options = options.model_copy(update={"learning_rate": rate})
    own_seed = derive(seed, "fine-tune", info.network, str(info.epoch), *spec.attributes)
    recipe = {
        "stage": VERSIONS["tune"],
        "source": digest,
        "training": options.model_dump(exclude={"seed"}),
        "diet": tuning.heeded,
        "seed": own_seed,
        "dataset": dataset.fingerprint,
        "clean": hashlib.sha256(np.ascontiguousarray(rows, "<i8")).hexdigest(),
        "threshold": threshold if stores else None,
        "scores": [sha256(scores) for _, scores in stores],  # they name their stores by digests
        "doubts": sha256(doubts) if doubts else None,
        **computed_by(device),
    }
    unfinished = Unfinished(files.history.parent / UNFINISHED, recipe, save_every)
    for path in vars(files).values():
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, below=False)
    unfinished.clean()
    recorded = {
        **options.model_dump(),
        "seed": own_seed,
        **computed_by(device),
        "from": {"network": info.network, "epoch": info.epoch, "sha256": digest},
        "diet": tuning.heeded,
        **({"doubts": sha256(doubts)} if doubts else {}),
    }

    def about(record: EpochRecord) -> CheckpointInfo:
        return CheckpointInfo(network, member, record.epoch, vars(record), recorded, dataset.fingerprint)

    labels = dataset.labels_of(spec.attributes)
    with (
        telling_memory(options, f"network {network}", spec.image_size, device),
        _diet(tuning, extra, chosen, dataset, labels, own_seed, device, residence, files.history.parent) as diet,
    ):
        for parameter in tuned.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        validation = known_images(dataset, dataset.rows("validation"), spec.attributes)
        lesson = Training(tuned, clean, validation, options, own_seed, residence, diet, trained=True)
        carry_out(lesson, unfinished.load(), unfinished, options, about, progress)
        table = _images(lesson, diet, dataset)

    with replacing(files.checkpoint) as beside:
        shutil.copyfile(unfinished.checkpoint(epochs), beside)
    names = {"network": network, "member": member}
    write_history(
        files.history,
        [
            {**names, **vars(record), "extra_images": diet.choice(lesson), "seconds": round(seconds, 3)}
            for record, seconds in zip(lesson.history, lesson.seconds, strict=True)
        ],
    )
    write_table(files.images, table)
    unfinished.remove()


def _faults(
    dataset: Dataset, source: Path, tuned: AttributeNetwork, rate: float | None, images: int, batch: int
) -> list[str]:
    """Return what is wrong with the network and its images."""
    faults = []
    if tuned.program is not None:
        faults.append(
            f"{source}: its network is a program, {tuned.spec.brought.file}, whose weights cannot be trained; bring it "
            "by the code that builds it, FILE.py:NAME, and its weights"
        )
    elif not any(parameter.is_floating_point() for parameter in tuned.parameters()):
        faults.append(f"{source}: its network has no weights")
    if (found := tuple(tuned.spec.image_size)) != dataset.image_size:
        sizes = [f"{width} x {height}" for width, height in (found, dataset.image_size)]
        faults.append(f"{source}: is of images of {sizes[0]} pixels, those of the dataset have {sizes[1]}")
    if rate is None:
        faults.append(
            f"{source}: does not say at which rate its training ended; set learning_rate of the network that is "
            "fine-tuned"
        )
    if images < batch:
        faults.append(
            f"{quantity(images, 'training image')} beside those that networks are judged on are fewer than one batch "
            f"of {batch}; lower training.batch_size"
        )
    return faults


@contextmanager
def _diet(
    tuning: TuningOptions,
    extra: int,
    chosen: Sequence[Chosen],
    dataset: Dataset,
    labels: np.ndarray,
    seed: int,
    device: torch.device,
    residence: str,
    folder: Path,
) -> Iterator[Diet]:
    """Yield what the network is fed; images that lie ready are in a file in `folder` meanwhile."""
    if extra and tuning.contents.steps:
        yield OnTheFly(Adversary.of(tuning), extra, tuning.epochs)
    elif any(len(each.attempts) for each in chosen):
        with flips_of(chosen, dataset, folder) as flips:
            extras = ExtraImages(tuning.parts, flips, labels, seed)
            print(f"diet {tuning.diet}: {extra} images of each batch are of {quantity(len(extras), 'extra image')}")
            yield Mixed(extras, extra, seed, device, "never" if residence == "never" else "auto")
    else:
        why = ", as no attempt makes an extra image" if extra else ""
        print(f"diet {tuning.diet}, share {tuning.share:g}: clean images alone{why}")
        yield Diet()


def _images(training: Training, diet: Diet, dataset: Dataset) -> pd.DataFrame:
    """Return which images were learned from, a row each: image, file_name, use, attribute, factor, times."""
    rows, times = training.met(slice(0, training.batch_size - diet.extra))
    clean = pd.DataFrame({"image": rows, "use": "clean", "attribute": "", "factor": np.nan, "times": times})
    extra = pd.DataFrame(vars(diet.learned(training))).assign(use="extra")
    keys = ["use", "image", "attribute", "factor"]
    extra = extra.groupby(keys, as_index=False, dropna=False)["times"].sum()  # several attacks may have made one
    table = pd.concat([clean, extra.astype(clean.dtypes)], ignore_index=True)
    table.insert(1, "file_name", dataset.file_names[table["image"]])
    return table
