"""Bad input of every kind: one clear message, a status that is not zero, no traceback on the screen, nothing touched.

A case is a row of one of the tables: what is done to a copy of a finished run, and what the message must say, namely
which file, which place in it, what is wrong or was expected, and what to do. Another case is another row.
"""

import json
import os
import pickle
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
import pytest
import torch
from entries import Entries
from jobs import (
    CHECKPOINT,
    DATASET,
    FIRST,
    LISTED,
    OTHER_SCORES,
    OTHER_SHARD,
    SAMPLE,
    SCORES,
    SHARD,
    attack,
    collect,
    draw,
    inventory,
    join,
    pack,
    predict,
    score_of,
    synthesize,
    transfer_of,
)
from PIL import Image
from running import Workflow, copy_of

from faceflip.data.celeba.labels import TEXT_LIMIT

pytestmark = pytest.mark.workflow

ANNOTATIONS = "results/synthetic/list_attr_celeba.txt"
PARTITION = "results/synthetic/list_eval_partition.txt"
NOTES = "results/synthetic/synthetic.json"
IMAGE = "results/synthetic/img_align_celeba/000007.jpg"
ZIP = "faces.zip"
NO_SAMPLE = ("expected columns image and file_name", "delete the file and run again")


# What is done to a file.


def write(content):
    return lambda path: path.write_bytes(content)


def cut(share):
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def flip(share):
    """Change one bit at a place between beginning (0) and end (1) of the file."""

    def harm(path):
        data = bytearray(path.read_bytes())
        data[int(share * len(data))] ^= 1
        path.write_bytes(data)

    return harm


def remove(path):
    path.unlink()


def folder_instead(path):
    path.unlink()
    path.mkdir()


def copied_from(name):
    def harm(path):
        root = next(parent for parent in path.parents if (parent / "results").is_dir())
        shutil.copyfile(root / name, path)

    return harm


def replaced(old, new):
    """Replace text in a file, once."""

    def harm(path):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return harm


def without_last_line(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def image_of(mode, size):
    return lambda path: Image.new(mode, size).save(path, "JPEG")


def zipped(names):
    """Write an archive of files by name."""

    def harm(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in names.items():
                archive.writestr(name, content)

    return harm


def swelling(path):
    """Write an archive of CelebA whose annotations are more than is ever unpacked, once they are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("list_eval_partition.txt", "000001.jpg 0\n")
        archive.writestr("img_align_celeba/000001.jpg", b"")
        with archive.open("list_attr_celeba.txt", "w") as member:
            for _ in range((TEXT_LIMIT >> 20) + 1):
                member.write(bytes(1 << 20))


def checkpoint_with(**changes):
    """Change entries of a checkpoint; None removes one."""

    def harm(path):
        content = torch.load(path, weights_only=True)
        content.update(changes)
        torch.save({key: value for key, value in content.items() if value is not None}, path)

    return harm


def network_with(**changes):
    """Change what a checkpoint says of its network; keys of its architecture are set there."""

    def harm(path):
        content = torch.load(path, weights_only=True)
        spec = content["spec"]
        for key, value in changes.items():
            (spec["architecture"] if key in spec["architecture"] else spec)[key] = value
        torch.save(content, path)

    return harm


class Bomb:
    """Leaves a file where it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def pickle_bomb(path):
    torch.save({"format": "faceflip-checkpoint", "version": 1, "state": Bomb()}, path)


def plain_pickle_bomb(path):
    path.write_bytes(pickle.dumps(Bomb()))


def hdf5_with(change):
    def harm(path):
        with h5py.File(path, "r+") as file:
            change(file)

    return harm


def without_manifest(file):
    del file.attrs["manifest"]


def of_another_version(file):
    manifest = json.loads(file.attrs["manifest"])
    file.attrs["manifest"] = json.dumps({**manifest, "version": 99})


def of_another_dataset(file):
    manifest = json.loads(file.attrs["manifest"])
    file.attrs["manifest"] = json.dumps({**manifest, "fingerprint": "0" * 64})


# What is run on it.


def faceflip(*arguments):
    def run(entries, folder):
        return entries.command(folder, *arguments)

    run.status = 1 if arguments[0] == "check" else 2
    return run


def flip_face(*options):
    return faceflip("flip", CHECKPOINT, IMAGE, "--resize", "--device", "cpu", *options)


@dataclass(frozen=True)
class Case:
    """What is done to which file of a finished run, what is run on it then, and what the message must say."""

    name: str
    run: Any
    says: tuple[str, ...]
    path: str | None = None
    harm: Any = None


AGAIN = "delete it"

FACES, ARCHIVE = pack("results/synthetic"), pack(ZIP)
SCORE = score_of(FIRST)
PAGE = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"

CASES = [
    # CelebA
    Case("annotations missing", FACES, ("list_attr_celeba", "Fetch by hand"), ANNOTATIONS, remove),
    Case("annotations empty", FACES, (ANNOTATIONS, "is empty"), ANNOTATIONS, write(b"")),
    Case("annotations that are a web page", FACES, (ANNOTATIONS, "Google Drive"), ANNOTATIONS, write(PAGE)),
    Case("annotations that are no text", FACES, (ANNOTATIONS, "not a text file"), ANNOTATIONS, write(b"\xff\xfe\0" * 99)),
    Case("annotations of 39 attributes", FACES, (ANNOTATIONS, "missing: Young"), ANNOTATIONS, replaced("Young", "Old")),
    Case("annotations cut", FACES, (ANNOTATIONS, "announces"), ANNOTATIONS, without_last_line),
    Case("a label of 2", FACES, (ANNOTATIONS, "line 3"), ANNOTATIONS, replaced("-1", " 2")),
    Case("annotations that name a face twice", FACES, (ANNOTATIONS, "000006.jpg occurs more than once"), ANNOTATIONS,
         replaced("000007.jpg", "000006.jpg")),
    Case("labels of a lost file", faceflip("labels", "results/synthetic"), ("list_eval_partition", "Fetch by hand"), PARTITION, remove),
    Case("partition without an image", FACES, ("000112.jpg", "needs a split"), PARTITION, without_last_line),
    Case("partition with a fourth split", FACES, (PARTITION, "line 7"), PARTITION, replaced("000007.jpg 0", "000007.jpg 3")),
    Case("image missing", FACES, ("000007.jpg",), IMAGE, remove),
    Case("image empty", FACES, ("000007.jpg", "is empty"), IMAGE, write(b"")),
    Case("image cut", FACES, ("000007.jpg", "cannot be decoded to its end"), IMAGE, cut(0.7)),
    Case("image of another size", FACES, ("000007.jpg", "20 x 20", "178 x 218"), IMAGE, image_of("RGB", (20, 20))),
    Case("grey image", FACES, ("000007.jpg", "is not RGB"), IMAGE, image_of("L", (178, 218))),
    Case("image that is a web page", FACES, ("000007.jpg", "Google Drive"), IMAGE, write(PAGE)),
    Case("image that is text", FACES, ("000007.jpg", "neither JPEG nor PNG"), IMAGE, write(b"a face")),
    Case("archive cut", ARCHIVE, (ZIP, "the download broke off"), ZIP, cut(0.9)),
    Case("archive that is a web page", ARCHIVE, (ZIP, "Google Drive"), ZIP, write(PAGE)),
    Case("archive that is none", ARCHIVE, (ZIP, "not a zip archive"), ZIP, write(b"faces")),
    Case("archive without faces", ARCHIVE, (ZIP, "list_attr_celeba"), ZIP, zipped({"notes.txt": "nothing"})),
    Case("archive that leads out of itself", ARCHIVE,
         (f"{ZIP} has no complete CelebA", "lead out of the archive are passed over, such as ../../exploded, /exploded"),
         ZIP, zipped({"../../exploded": "", "/exploded": ""})),
    Case("archive that swells", ARCHIVE,
         (f"{ZIP}/list_attr_celeba.txt would unpack to 269,484,032 bytes, where at most 268,435,456 are expected",
          "docs/guides/celeba.md"), ZIP, swelling),
    Case("notes on drawn faces that are cut", FACES, (NOTES, "is not JSON", "draw them anew"), NOTES, cut(0.5)),
    # Networks that do not go with the images, before these are decoded or drawn
    Case("network of other images", pack("results/synthetic", architecture="torchvision/vit_b_16"),
         ("network euclidean, softmax, moon: architecture.name: torchvision/vit_b_16 takes no images of 44 x 54 pixels",
          "dataset.image_size")),
    Case("network of images still to be drawn", synthesize("torchvision/inception_v3"),
         ("architecture.name: torchvision/inception_v3 takes no images of 44 x 54 pixels",)),
    # Checkpoints
    Case("checkpoint missing", predict, ("does not exist", "train the network first"), CHECKPOINT, remove),
    Case("checkpoint empty", predict, ("not a readable checkpoint", AGAIN), CHECKPOINT, write(b"")),
    Case("checkpoint cut", predict, ("not a readable checkpoint", AGAIN), CHECKPOINT, cut(0.6)),
    Case("checkpoint that is text", predict, ("not a readable checkpoint", AGAIN), CHECKPOINT, write(b"weights")),
    Case("checkpoint that is a folder", predict, ("not a readable checkpoint", AGAIN), CHECKPOINT, folder_instead),
    Case("checkpoint that is a store", predict, ("not a readable checkpoint", AGAIN), CHECKPOINT, copied_from(SHARD)),
    Case("checkpoint with code in it", predict, ("not a readable checkpoint", AGAIN), CHECKPOINT, pickle_bomb),
    Case("plain pickle with code in it", predict, ("not a readable checkpoint", AGAIN), CHECKPOINT, plain_pickle_bomb),
    Case("checkpoint of others", predict, ("not a checkpoint of faceflip",), CHECKPOINT, checkpoint_with(format="timm")),
    Case("checkpoint of the future", predict, ("version 99", "reads version"), CHECKPOINT, checkpoint_with(version=99)),
    Case("checkpoint without weights", predict, ("'state'", AGAIN), CHECKPOINT, checkpoint_with(state=None)),
    Case("checkpoint without epoch", predict, ("'epoch'", AGAIN), CHECKPOINT, checkpoint_with(epoch=None)),
    Case("weights of another width", predict, ("(8, 3, 3, 3) in the network that it", AGAIN), CHECKPOINT, network_with(width=0.125)),
    Case("unknown architecture", predict, ("did you mean vgg16?", AGAIN), CHECKPOINT, network_with(name="vgg17")),
    Case("unknown loss", predict, ("there is no loss 'hinge'", AGAIN), CHECKPOINT, network_with(loss="hinge")),
    Case("unknown key of the network", predict, ("unexpected keyword argument 'depth'", AGAIN), CHECKPOINT, network_with(depth=3)),
    *(
        Case(f"checkpoint that names code, {key}: {name}", run, (f"{CHECKPOINT}: it names code of your own, exploding.py:X",), CHECKPOINT,
             network_with(**{key: "exploding.py:X"}))
        for key in ("loss", "name") for name, run in {"predict": predict, "attack": attack, "flip": flip_face()}.items()
    ),
    Case("checkpoint of another attribute", attack, (CHECKPOINT, "Smiling"), CHECKPOINT, network_with(attributes=["Male"])),
    Case("flip by a file of your own", faceflip("flip", ANNOTATIONS, "small.png"),
         (ANNOTATIONS, "not a readable checkpoint", "is the path right? If the workflow made it, delete it")),
    # Datasets
    Case("dataset missing", predict, (DATASET, "pack_dataset"), DATASET, remove),
    Case("dataset empty", predict, (DATASET, AGAIN), DATASET, write(b"")),
    Case("dataset cut", predict, (DATASET, AGAIN), DATASET, cut(0.5)),
    Case("dataset that is text", predict, (DATASET, AGAIN), DATASET, write(b"pixels" * 1000)),
    Case("dataset without manifest", predict, (DATASET, AGAIN), DATASET, hdf5_with(without_manifest)),
    Case("dataset of the future", predict, (DATASET, AGAIN), DATASET, hdf5_with(of_another_version)),
    Case("sample larger than the data", draw(10**6), ("samples.paper.images is 1000000", "train split has 64")),
    Case("sample missing", predict, (SAMPLE, *NO_SAMPLE), SAMPLE, remove),
    Case("sample that is text", attack, (SAMPLE, *NO_SAMPLE), SAMPLE, write(b"images")),
    Case("sample of bytes", attack, (SAMPLE, *NO_SAMPLE), SAMPLE, write(bytes(range(256)))),
    Case("sample of another dataset", attack, (SAMPLE, *NO_SAMPLE), SAMPLE, write(b"image,file_name\n3,900000.jpg\n")),
    Case("sample of a larger dataset", predict, (SAMPLE, *NO_SAMPLE), SAMPLE, write(b"image,file_name\n9999,1.jpg\n")),
    # Stores
    Case("store missing", SCORE, (SHARD, "no such file", "snakemake"), SHARD, remove),
    Case("store empty", SCORE, (SHARD, "empty or was never completed", AGAIN), SHARD, write(b"")),
    Case("store cut", SCORE, (SHARD, "truncated", AGAIN), SHARD, cut(0.9)),
    Case("store with one bit changed", SCORE, (SHARD, "damaged", AGAIN), SHARD, flip(0.2)),
    Case("store that is text", SCORE, (SHARD, "not a perturbation store"), SHARD, write(b"perturbations " * 1000)),
    Case("store that is a dataset", SCORE, (SHARD, "not a perturbation store"), SHARD, copied_from(DATASET)),
    Case("store of another dataset", SCORE, ("'dataset_fingerprint'", "0000"), DATASET, hdf5_with(of_another_dataset)),
    Case("store joined without a shard", join, ("cannot be joined", SHARD, "no such file"), SHARD, remove),
    Case("store joined with a bent shard", join, ("cannot be joined", SHARD, "damaged"), SHARD, flip(0.99)),
    Case("a shard twice", join, ("there twice",), SHARD, copied_from(OTHER_SHARD)),
    Case(
        "a shard of another attack",
        join,
        ("is of another run", AGAIN),
        SHARD,
        copied_from("results/attacks/paper/softmax/converged/fgs-line/000.h5"),
    ),
    # Tables
    Case("scores missing", collect, (SCORES, "not a readable table", AGAIN), SCORES, remove),
    Case("scores cut", collect, (SCORES, "not a readable table", AGAIN), SCORES, cut(0.5)),
    Case("scores that are text", collect, (SCORES, "not a readable table", AGAIN), SCORES, write(b"row,pass\n0,1\n")),
    Case("scores of fewer attempts", collect, (SCORES, "has 2 rows", "has 3 attempts", AGAIN), SCORES,
         lambda path: pd.read_parquet(path).head(2).to_parquet(path)),
    *(
        Case(f"scores of another shard: {name}", run, (SCORES, "scores of a store of SHA-256", AGAIN), SCORES,
             copied_from(OTHER_SCORES))
        for name, run in {
            "collect": collect,
            "transfer": transfer_of(FIRST),
            "inspect": faceflip("inspect", SHARD),
        }.items()
    ),
    Case("scores with one bit changed", collect, (SCORES, "not a readable table", AGAIN), SCORES, flip(0.1)),
    Case("result missing for the inventory", inventory, (LISTED[1], "missing"), LISTED[1], remove),
    # The command line
    Case("inspect nothing", faceflip("inspect", "nothing.h5"), ("nothing.h5: no such file",)),
    Case("inspect a checkpoint", faceflip("inspect", CHECKPOINT), (CHECKPOINT, "not a perturbation store")),
    Case("check a cut store", faceflip("check", SHARD), (SHARD, "truncated", "snakemake"), SHARD, cut(0.5)),
    Case("check a lost checkpoint", faceflip("check", "results"), (CHECKPOINT, "missing", "--force"), CHECKPOINT, remove),
    Case("show an attempt that is none", faceflip("show", SHARD, "--row", "77"), ("--row 77", "attempts 0 to 2")),
    Case("export by another name", faceflip("export", SHARD, "--to", "csv", "-o", "a.txt"), ("ends in .csv",)),
    Case("PASS of different sizes", faceflip("pass", "results/synthetic/img_align_celeba/000001.jpg", "small.png"),
         ("of one size",)),
    Case("PASS of no image", faceflip("pass", SAMPLE, SAMPLE), (SAMPLE,)),
    Case("flip into a file", flip_face("-o", SAMPLE), (SAMPLE, "file exists", "name another one")),
    Case("flip into a folder within a file", flip_face("-o", f"{SAMPLE}/flipped"), (f"{SAMPLE}/flipped: not a directory", f"move {SAMPLE} out of the way")),
    Case("flip with an argument as option", flip_face("--option", "device=cuda"), ("no attack option 'device'", "there are direction")),
    Case("flip by annotated labels, of which there are none",
         flip_face("--attack", "fgs-line", "--option", "fgs_label=annotated"), ("option fgs_label", "--label")),
    Case("labels into a folder", faceflip("labels", "results/synthetic", "--csv", "results"), ("results: is a directory", "name another one")),
    Case("labels into a folder within a file", faceflip("labels", "results/synthetic", "--csv", f"{SAMPLE}/a.csv"),
         (f"{SAMPLE}/a.csv: file exists", f"move {SAMPLE} out of the way")),
    Case("labels into nothing", faceflip("labels", "results/synthetic", "--csv", ""), ("is a directory",)),
    Case("labels into a name that is too long", faceflip("labels", "results/synthetic", "--csv", "l" * 300),
         ("file name too long", "name a shorter one")),
    Case("export a table into a folder within a file", faceflip("export", SHARD, "--to", "csv", "-o", f"{SAMPLE}/a.csv"),
         (f"{SAMPLE}/a.csv: file exists", f"move {SAMPLE} out of the way")),
    Case("export pictures into a folder within a file", faceflip("export", SHARD, "--to", "png", "-o", f"{SAMPLE}/a"),
         (f"{SAMPLE}/a", "not a directory")),
    Case("faces into a folder within a file", faceflip("synthesize", f"{SAMPLE}/faces", "--train", "1"),
         (f"{SAMPLE}/faces", "not a directory")),
]  # fmt: skip


@pytest.fixture(scope="module")
def entries():
    with Entries() as entries:
        yield entries


@pytest.fixture(scope="module")
def bench(micro, tmp_path_factory):
    """A copy of the finished run, in which each case puts back what it has changed."""
    folder = copy_of(micro, tmp_path_factory.mktemp("bad-input")).directory
    Image.new("RGB", (20, 20)).save(folder / "small.png")
    (folder / "exploding.py").write_text("import os\n\nos.mkdir('exploded')\n")
    shutil.make_archive(folder / "faces", "zip", folder / "results/synthetic")
    return folder


def state(root):
    """Return bytes of all files below results, by path."""
    return {path: path.read_bytes() for path in sorted((root / "results").rglob("*")) if path.is_file()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_bad_input(entries, bench, case):
    path = bench / case.path if case.path else None
    original = path.read_bytes() if path else b""
    try:
        if path:
            case.harm(path)
        before = state(bench)
        ended = case.run(entries, bench)
        assert ended.status == getattr(case.run, "status", 1), ended.screen
        assert "Traceback" not in ended.screen
        missing = [words for words in case.says if words not in re.sub(r"\s+", " ", ended.screen)]
        assert not missing, ended.screen
        if ended.log:
            assert "Traceback" in ended.log, "the whole story is in the log"
            assert ended.screen.strip().startswith("Error: "), ended.screen
            assert "UserError" in ended.log
        assert state(bench) == before, "nothing is touched, and nothing half-written stays"
        for place in (bench, bench.parents[1], Path("/")):
            assert not (place / "exploded").exists(), "no code of a file is run, nothing is unpacked by its name"
    finally:
        if path:
            if path.is_dir():
                path.rmdir()
            path.write_bytes(original)


def test_the_bench_is_sound(entries, bench):
    """Without harm every script of the table succeeds: the cases above fail for their own reason alone."""
    for run in (ARCHIVE, FACES, predict, attack, SCORE, join, collect, draw(6), inventory, faceflip("check", SHARD)):
        ended = run(entries, bench)
        assert ended.status == 0, ended.screen + ended.log


CONFIGURATIONS = [
    ("no YAML", "seed: [", ("not valid JSON or YAML",)),
    ("a list", "- seed\n", ("JSON or YAML with keys at top level",)),
    ("unknown key", "smaples: {paper: {images: 3}}", ("smaples: unknown key", "did you mean samples?")),
    ("wrong type", "seed: many", ("seed: expected a whole number, found 'many'",)),
    ("no mapping", "networks: [moon]", ("networks: expected a mapping",)),
    ("unknown attribute", "attributes: [Smilling]", ("attributes[0]", "did you mean Smiling?")),
    (
        "unknown attack",
        "experiments: {paper: {moon: {converged: [pgd]}}}",
        ("experiments.paper.moon.converged[0]", "none of"),
    ),
    (
        "unknown network",
        "experiments: {paper: {mooon: {converged: [ffa-line]}}}",
        ("experiments.paper.mooon", "did you mean moon?"),
    ),
    (
        "unknown sample",
        "experiments: {papers: {moon: {converged: [ffa-line]}}}",
        ("experiments.papers", "did you mean paper?"),
    ),
    (
        "unknown checkpoint",
        "experiments: {paper: {moon: {epoch3: [ffa-line]}}}",
        ("experiments.paper.moon.epoch3", "it has epoch2, converged"),
    ),
    ("unknown loss", "networks: {mine: {loss: hinge}}", ("networks.mine.loss", "no loss 'hinge'")),
    ("unknown architecture", "architecture: {name: vgg17}", ("no architecture 'vgg17'", "did you mean vgg16?")),
    ("unknown collection", "architecture: {name: torchvison/resnet18}", ("did you mean torchvision?",)),
    (
        "a file of your own that is not there",
        "networks: {mine: {loss: mine.py:Hinge}}",
        ("networks.mine.loss: mine.py: no such file",),
    ),
    (
        "a name that leads out of its folder",
        "networks: {../exploded: {loss: bce}}",
        ("networks.../exploded: a name begins with a letter",),
    ),
    (
        "impossible attack",
        "experiments: {paper: {moon: {converged: [fgs-line]}}}",
        ("experiments.paper.moon.converged: fgs-line raises the loss of all attributes", "fgs_scope: attribute"),
    ),
    ("negative", "samples: {paper: {images: -3}}", ("samples.paper.images", "-3")),
    ("tag with code", "seed: !!python/object/apply:os.mkdir [exploded]", ("not valid JSON or YAML",)),
]
"""Content of a configuration file, and what the message must say."""


@pytest.mark.parametrize(
    ("content", "says"), [row[1:] for row in CONFIGURATIONS], ids=[row[0] for row in CONFIGURATIONS]
)
def test_bad_configuration(tmp_path, content, says):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(content)
    result = Workflow(tmp_path, [overlay])("--dry-run", check=False)
    said = result.stdout + result.stderr
    assert result.returncode == 1
    assert "Traceback" not in said
    assert not [words for words in says if words not in said], said
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "exploded").exists()


def test_there_are_at_least_forty_cases():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert len(CASES) + len(CONFIGURATIONS) >= 40


def test_through_snakemake(micro, tmp_path):
    """The same on a real run: the message is on the screen, the traceback in the log, finished results stay."""
    run = copy_of(micro, tmp_path)
    checkpoint_with(version=99)(tmp_path / CHECKPOINT)
    kept = (tmp_path / "results/predictions/moon/000.parquet").read_bytes()
    result = run("--cores", 1, "--force", SHARD, check=False)
    said = result.stdout + result.stderr
    assert result.returncode == 1
    assert f"Error: {CHECKPOINT}: checkpoint version 99" in said
    assert "Traceback" not in said
    log = tmp_path / "logs/attack_shard/paper/euclidean/converged/ffa-line/000.log"
    assert "Traceback" in log.read_text()
    assert (tmp_path / "results/predictions/moon/000.parquet").read_bytes() == kept
    assert not list((tmp_path / "results/attacks").rglob(".*.h5"))
