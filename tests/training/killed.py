"""Trains a small network in processes that are killed at chosen moments, and again in one that is not.

Run as a script, with a folder and a device: it starts a process for each scenario, so that torch is imported once, and
prints JSON. On a GPU, where a process takes seconds to begin, all networks are killed in a few places.
"""

import hashlib
import json
import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from faceflip.catalogue import LOSSES
from faceflip.data.celeba import ATTRIBUTES
from faceflip.data.packed import Dataset
from faceflip.io import files
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.network import NetworkSpec
from faceflip.runtime.device import computing_on
from faceflip.stages.train import Member, TrainedFiles, train_and_save
from faceflip.training import loop
from faceflip.training import resuming as unfinished
from faceflip.training.hyperparameters import TrainingOptions

STEPS = 3
OUTPUTS = ("epoch2.pt", "converged.pt", "history.csv")
ARCHITECTURE = ArchitectureOptions(width=0.03, dropout=0.5, input_scale=1 / 64)
SPECS = {
    f"{loss} of {len(attributes)}": NetworkSpec(loss, attributes, (32, 36), ARCHITECTURE)
    for loss in LOSSES
    for attributes in (("Smiling",), ATTRIBUTES)
}
"""Networks by kind."""
KIND = "euclidean of 1"
"""It is killed in all places (on a CPU), the others in a few."""
SPEC = SPECS[KIND]

OPTIONS = TrainingOptions(batch_size=8, learning_rate=1e-4, max_epochs=4, patience=2)


class EverBetter(TrainingOptions):
    """Takes each epoch for better than the one before, so that old checkpoints are removed."""

    def converged_epoch(self, validation_errors):
        return len(validation_errors)


EVER_BETTER = EverBetter(**OPTIONS.model_dump())


def dataset(count=40, seed=0):
    """Random images and labels; all but 3 images of the training split are met in each epoch."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 36, 32, 3), dtype=np.uint8)
    labels = random.choice([-1, 1], (count, len(ATTRIBUTES))).astype(np.int8)
    split = np.r_[np.zeros(8 * STEPS + 3), np.ones(count - 8 * STEPS - 3)].astype(np.uint8)
    names = np.array([f"{row:06d}.jpg" for row in range(count)])
    return Dataset(images, labels, split, names, {"fingerprint": f"made up, seed {seed}"})


def files_of(folder, epochs=(2,)):
    """Where the results of a training go."""
    kept = {epoch: folder / f"epoch{epoch}.pt" for epoch in epochs}
    return TrainedFiles(folder / "converged.pt", kept, folder / "history.csv")


def train(folder, options=OPTIONS, save_every=0.0, spec=SPEC, device="cpu"):
    member = spec.attributes[0] if len(spec.attributes) == 1 else "all"
    with computing_on(device, torch.get_num_threads(), deterministic=True) as place:
        into = files_of(folder, options.checkpoints)
        members = [Member(member, spec, into)]
        train_and_save(dataset(), "mine", members, options, 5, place, save_every=save_every)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(owner, name, number):
    """Make a function kill this process when it is called for the `number`-th time, before it does anything."""
    original, calls = getattr(owner, name), iter(range(1, 10**6))

    def counting(*arguments, **options):
        if next(calls) == number:
            die()
        return original(*arguments, **options)

    setattr(owner, name, counting)


def while_writing(number):
    """Die within the `number`-th file or folder to be synced; of a file, only half has got to the disk."""
    original, calls = files._sync, iter(range(1, 10**6))

    def counting(path):
        if next(calls) == number:
            if path.is_file():
                os.truncate(path, path.stat().st_size // 2)
            die()
        original(path)

    files._sync = counting


def at_removal(name):
    """Die before a file is removed whose name fits."""
    original = Path.unlink

    def checked(path, missing_ok=False):
        if re.fullmatch(name, path.name):
            die()
        original(path, missing_ok)

    Path.unlink = checked


def after_step(number):
    at_call(loop.Training, "learn", number + 1)


def scenarios(syncs):
    """Yield what kills by name: in every place where files are written, and where none are."""
    for number in (1, STEPS, 2 * STEPS + 1):
        yield f"after step {number}", lambda number=number: after_step(number)
    for epoch in (1, 2):
        yield f"while judging epoch {epoch}", lambda epoch=epoch: at_call(loop, "error_rate", epoch)
        yield f"between epochs {epoch} and {epoch + 1}", lambda k=epoch: at_call(loop.Training, "_begin_epoch", k + 1)
    for number in (*range(1, syncs - 8, 4), *range(syncs - 8, syncs + 1)):
        yield f"while writing, sync {number} of {syncs}", lambda number=number: while_writing(number)
    yield "before removing an old checkpoint", lambda: at_removal("epoch-003.pt")
    yield "before removing the state", lambda: at_call(unfinished.shutil, "rmtree", 1)
    yield "while removing the state", lambda: at_call(os, "rmdir", 1)


def in_process(work):
    """Do some work in a process of its own and return how it ended: 0, or the number of the signal that killed it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    torch.set_num_threads(1)
    code = 1
    try:
        work()
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def contents(folder):
    """Return the digest of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def killed_and_resumed(folder, hooks, spec=SPEC, device="cpu"):
    """Train in processes that are killed, then in one that is not; in between, outputs go, as Snakemake sees to."""

    def doomed(hook):
        hook()
        train(folder, EVER_BETTER, spec=spec, device=device)

    ends = []
    for hook in hooks:
        ends.append(in_process(lambda hook=hook: doomed(hook)))
        for name in OUTPUTS:
            (folder / name).unlink(missing_ok=True)
    ends.append(in_process(lambda: train(folder, EVER_BETTER, spec=spec, device=device)))
    return {"ends": ends, "files": contents(folder)}


def uninterrupted(folder, spec, device="cpu"):
    """Train without a state ever being saved."""
    ends = [in_process(lambda: train(folder, EVER_BETTER, save_every=1e9, spec=spec, device=device))]
    return {"ends": ends, "files": contents(folder)}


def killed_in_all_places(folder):
    """Return what comes of all scenarios, for SPEC."""
    results = {"uninterrupted": uninterrupted(folder / "whole", SPEC)}

    def counted():
        original, calls = files._sync, []
        files._sync = lambda path: (calls.append(path), original(path))
        train(folder / "counted", EVER_BETTER)
        (folder / "syncs").write_text(str(len(calls)))

    in_process(counted)
    results["saved at every step"] = {"ends": [0], "files": contents(folder / "counted")}
    for name, hook in scenarios(int((folder / "syncs").read_text())):
        results[name] = killed_and_resumed(folder / name.replace(" ", "-"), [hook])
    often = [lambda: after_step(2)] * 3
    results["killed three times"] = killed_and_resumed(folder / "often", often)
    return results


def killed_in_a_few(folder, spec, device):
    """Return what comes of an uninterrupted training, and of one that is killed amid epochs and between them."""
    hooks = [lambda: after_step(2), lambda: after_step(3), lambda: at_call(loop.Training, "_begin_epoch", 2)]
    return {
        "uninterrupted": uninterrupted(folder / "whole", spec, device),
        "killed three times": killed_and_resumed(folder / "often", hooks, spec, device),
    }


def main(folder, device):
    log = sys.stdout
    os.fsync = lambda descriptor: None  # a killed process loses nothing that it wrote; only a fallen computer does
    sys.stdout = (folder / "log.txt").open("w")
    results = {KIND: killed_in_all_places(folder)} if device == "cpu" else {}
    for kind in SPECS.keys() - results.keys():
        results[kind] = killed_in_a_few(folder / kind, SPECS[kind], device)
    json.dump(results, log)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
