"""Files that were cut, bent or mixed up: each fault is told, and no wrong pixel is ever returned."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from store_builder import STEM, resealed

from faceflip.errors import UserError
from faceflip.store import StoreWriter, open_store, write_joined_view
from faceflip.store.check import check
from faceflip.store.export import export_png

SCRIPTS = Path(__file__).parents[2] / "scripts"


def read_everything(path):
    """Return all that a store holds, as comparable values; raises UserError where something is damaged."""
    with open_store(path) as store:
        table = store.attempts.to_csv(index=False)
        pixels = b"".join(block.perturbations.tobytes() for block in store.blocks())
        single = [store.perturbation(row) for row in range(len(store))]
    return table, pixels, b"".join(image.tobytes() for image in single if image is not None)


def corrupted(path, position, bit):
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


@pytest.mark.parametrize("compression", ["gzip", "blosc"])
def test_bit_flips(build, compression):
    """200 random ones a compression: told, or nothing changed. HDF5 itself never gets to see a damaged index."""
    if compression == "blosc":
        pytest.importorskip("hdf5plugin")
    path = build.shard("a.h5", compression=compression)
    sound, truth = path.read_bytes(), read_everything(path)
    rng = random.Random(2018)
    harmless, messages = [], []
    for _ in range(200):
        path.write_bytes(sound)
        position = rng.randrange(len(sound))
        corrupted(path, position, rng.randrange(8))
        try:
            found = read_everything(path)
        except UserError as error:
            messages.append(str(error))
        else:
            assert found == truth, position
            harmless.append(position)
        assert not check(path).sound, position
    remedies = ("delete it, then make it", "install a newer faceflip")
    assert all(str(path) in message and message.endswith(remedies) for message in messages)
    assert all(sound[position] == 0 for position in harmless), "only unused bytes may change unnoticed"


def test_bit_flips_in_every_byte_before_the_perturbations(build):
    """A flip in the seal, in attributes, columns and indexes is told on opening."""
    path = build.shard("a.h5", rows=4)
    sound = path.read_bytes()
    with open_store(path) as store:
        end = store.seal.structure_bytes
    for position in [*range(512), *range(512, end, 29)]:
        data = bytearray(sound)
        data[position] ^= 1 << position % 8
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"a\.h5"):
            open_store(path)


def test_damaged_perturbation_names_its_row(build):
    path = build.shard(f"{STEM}/000.h5")
    with open_store(path) as store:
        dataset = store._file["perturbation"].id
        places = {}
        dataset.chunk_iter(lambda chunk: places.update({chunk.chunk_offset[0]: chunk.byte_offset + chunk.size // 2}))
        assert path.read_bytes()[places[6] - 20 : places[6] + 20] in dataset.read_direct_chunk((6, 0, 0, 0))[1]
    corrupted(path, places[6], 3)
    with open_store(path) as store:
        assert store.perturbation(5) is not None
        message = rf"000\.h5: /perturbation\[6\] cannot be read.*snakemake --cores all {STEM}/000\.h5"
        with pytest.raises(UserError, match=message):
            store.perturbation(6)
        with pytest.raises(UserError, match=message):
            list(store.blocks())
    (fault,) = check(path).faults
    assert "damaged in /perturbation[6]" in fault.message


def test_truncation(build):
    """50 random lengths and the edges."""
    path = build.shard("a.h5")
    sound = path.read_bytes()
    rng = random.Random(1)
    for length in [0, 1, 511, 512, len(sound) - 1, *(rng.randrange(len(sound)) for _ in range(50))]:
        path.write_bytes(sound[:length])
        with pytest.raises(UserError, match=r"a\.h5: .*(truncated|empty).*; delete it, then make it"):
            open_store(path)
        assert not check(path).sound
    path.write_bytes(sound + b"\0")
    with pytest.raises(UserError, match="something was appended"):
        open_store(path)


WRITER = """
import os, sys
sys.path[:0] = [{scripts!r}, {tests!r}]
from pathlib import Path
from store_builder import Builder
build = Builder(Path({folder!r}))
print("ready", flush=True)
while True:
    for variant in (0, 1):
        build.shard("a.h5", rows=40, variant=variant, size=(40, 40))
"""


def start_writer(folder):
    code = WRITER.format(scripts=str(SCRIPTS), tests=str(Path(__file__).parent), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_killed_while_writing(build):
    """20 writers, each killed at another moment: a whole file under the final name, or none."""
    path = build.folder / "a.h5"
    wholes = {build.shard("a.h5", rows=40, variant=variant, size=(40, 40)).read_bytes() for variant in (0, 1)}
    rng = random.Random(7)
    found = 0
    for _ in range(20):
        path.unlink(missing_ok=True)
        process = start_writer(build.folder)
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if path.exists():
            found += 1
            assert path.read_bytes() in wholes
            assert check(path).sound
    assert found > 0
    for leftover in set(build.folder.iterdir()) - {path}:
        assert leftover.name.startswith(".a.")
    path.unlink(missing_ok=True)
    notes = [fault for fault in check(build.folder).faults if "holds no" not in fault.message]
    assert all(fault.note and "writer that was killed: then delete it" in fault.message for fault in notes)


@pytest.mark.slow
def test_two_writers(build):
    """The last one wins; a reader at any moment sees one whole file, of the one or of the other."""
    path = build.shard("a.h5", rows=40, size=(40, 40))
    wholes = {build.shard("a.h5", rows=40, variant=variant, size=(40, 40)).read_bytes() for variant in (0, 1)}
    writers = [start_writer(build.folder) for _ in range(2)]
    try:
        seen = set()
        for _ in range(60):
            with open_store(path) as store:
                seen.add(store.seal.sha256)
                assert sum(len(block.rows) for block in store.blocks()) == 30
    finally:
        for process in writers:
            process.kill()
            process.wait()
            process.stdout.close()
    assert path.read_bytes() in wholes
    assert len(seen) <= 2


def test_wrong_formats(build):
    path = build.folder / "a.h5"
    with pytest.raises(UserError, match=r"a\.h5: no such file"):
        open_store(path)
    with pytest.raises(UserError, match="is a folder"):
        open_store(build.folder)
    path.write_text("hello " * 200)
    with pytest.raises(UserError, match="is not a perturbation store"):
        open_store(path)
    with h5py.File(path, "w") as file:
        file["images"] = 1
    with pytest.raises(UserError, match="is an HDF5 file, but not a perturbation store"):
        open_store(path)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = 1
    with pytest.raises(UserError, match="never completed"):
        open_store(path)


def test_newer_version(build):
    path = build.shard("a.h5")
    path.write_bytes(path.read_bytes().replace(b'"version": 2', b'"version": 3', 1))
    with pytest.raises(UserError, match=r"version 3, this faceflip reads up to 2; install a newer faceflip"):
        open_store(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.attrs.modify("complete", np.uint8(0)), "'complete' is not 1"),
        (lambda file: file.attrs.__delitem__("seed"), "attribute 'seed' is missing"),
        (lambda file: file.attrs.__delitem__("sample"), "attribute 'sample' is missing"),
        (lambda file: file.attrs.__delitem__("version"), "attribute 'version' is missing"),
        (lambda file: file.attrs.modify("parameters", "{"), "attribute 'parameters' is no JSON object"),
        (lambda file: file.attrs.modify("kind", "shred"), "attribute 'kind' is 'shred', expected shard or view"),
        (lambda file: file.__delitem__("perturbation"), "/perturbation is missing"),
    ],
)
def test_sealed_but_not_conforming(build, change, message):
    path = build.shard("a.h5")
    resealed(path, change)
    with pytest.raises(UserError, match=message):
        open_store(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file["label"].__setitem__(3, 0), "/label must be -1 or .1, or 0 where unknown, but row 3"),
        (lambda file: file["outcome"].__setitem__(0, 4), "/flipped and /outcome must agree"),
        (lambda file: file["epsilon"].__setitem__(3, 1.0), "/epsilon must be NaN where not flipped"),
        (lambda file: file["linf"].__setitem__(3, 1), "/linf and /l2 must be 0"),
        (lambda file: file["linf"].__setitem__(4, 99), r"/perturbation\[4\] has other norms"),
        (lambda file: file["perturbation"].__setitem__(3, 1), "and no others"),
        (lambda file: file.attrs.modify("format", "x"), "attribute 'format' is 'x'"),
        (lambda file: file.attrs.modify("version", np.int64(1)), "attribute 'version' is .*1.*, expected 2"),
        (lambda file: file.attrs.modify("compression", "x"), "attribute 'compression' is 'x'"),
    ],
)
def test_check_finds_what_breaks_the_rules(build, change, message):
    path = build.shard("a.h5")
    resealed(path, change)
    (fault,) = check(path, deep=True).faults
    assert not fault.note
    assert re.search(message, fault.message)


class TestViews:
    def test_missing_shard(self, build):
        view = build.view()
        (build.folder / STEM / "001.h5").unlink()
        with pytest.raises(
            UserError, match=rf"(?s)1 of its 3 shards are wrong\n.*001\.h5: no such file.*{STEM}/001.h5"
        ):
            open_store(view)
        with h5py.File(view) as file:
            assert set(file["outcome"][24:48]) == {255}
            assert set(file["flipped"][24:48]) == {255}
            assert set(file["image"][24:48]) == {-1}
            assert np.isnan(file["epsilon"][24:48]).all()
            assert set(file["attribute"][24:48]) == {b""}
            assert (file["perturbation"][24:48] == -32768).all()
            assert (file["perturbation"][:24] > -256).all()

    def test_swapped_shards(self, build):
        view = build.view()
        first, second = (build.folder / STEM / name for name in ("000.h5", "002.h5"))
        first.rename(first.with_suffix(".tmp"))
        second.rename(first)
        first.with_suffix(".tmp").rename(second)
        with pytest.raises(
            UserError, match=r"(?s)2 of its 3.*000\.h5: holds what 002\.h5 held.*002\.h5: holds what 000"
        ):
            open_store(view)

    def test_shard_of_another_run(self, build):
        view = build.view()
        build.shard(f"{STEM}/001.h5", 1, 24, variant=9)
        with pytest.raises(UserError, match=r"001\.h5: is not the file that was joined"):
            open_store(view)

    def test_truncated_shard(self, build):
        view = build.view()
        shard = build.folder / STEM / "001.h5"
        os.truncate(shard, 3000)
        with pytest.raises(UserError, match=r"001\.h5: has 3,000 bytes, not .*truncated"):
            open_store(view)

    def test_damaged_shard_is_told_when_it_is_used(self, build):
        view = build.view()
        shard = build.folder / STEM / "001.h5"
        corrupted(shard, 2000, 0)
        with open_store(view) as store:
            assert store.perturbation(0) is not None
            with pytest.raises(UserError, match=r"001\.h5: damaged outside /perturbation"):
                store.perturbation(24)
        assert not check(view).sound

    def test_shard_replaced_while_the_view_is_open(self, build):
        with open_store(build.view()) as store:
            build.shard(f"{STEM}/001.h5", 1, 24, variant=9)
            with pytest.raises(UserError, match=r"001\.h5: was replaced"):
                store.perturbation(24)

    def test_damaged_view(self, build):
        view = build.view()
        sound = view.read_bytes()
        rng = random.Random(3)
        for _ in range(100):
            view.write_bytes(sound)
            position = rng.randrange(512, len(sound))
            corrupted(view, position, rng.randrange(8))
            with pytest.raises(UserError, match="damaged outside /perturbation"):
                open_store(view)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"seed": 1}, "is of another run: seed is 1"),
            ({"parameters": {"max_epsilon": 31}}, "parameters is .*31.*, in .*000.h5 it is .*255"),
            ({"dataset_fingerprint": "00"}, "dataset_fingerprint is 00"),
            ({"network": "softmax"}, "network is softmax"),
            ({"sample": "harden"}, "is of another run: sample is harden, in .*000.h5 it is paper"),
            ({"checkpoint_sha256": {"Smiling": "00"}}, "attacked another converged checkpoint of Smiling"),
            ({"size": (12, 11)}, r"image size is \(12, 11\)"),
            ({"shard": 2}, "is shard 2 from attempt 24, expected shard 1 from attempt 24"),
            ({"first": 25}, "is shard 1 from attempt 25, expected shard 1 from attempt 24"),
        ],
    )
    def test_refuses_shards_that_do_not_belong_together(self, build, change, message):
        paths = build.shards(count=3)
        options = {"shard": 1, "first": 24, **change}
        build.shard(f"{STEM}/001.h5", **options)
        with pytest.raises(UserError, match=message):
            write_joined_view(build.folder / "view.h5", paths)
        assert not (build.folder / "view.h5").exists()

    def test_refuses_missing_doubled_and_damaged_shards_and_tells_all(self, build):
        paths = build.shards(count=4)
        with pytest.raises(UserError, match="expected shard 1"):
            write_joined_view(build.folder / "view.h5", [paths[0], *paths[2:]])
        with pytest.raises(UserError, match="or there twice"):
            write_joined_view(build.folder / "view.h5", [*paths, paths[2]])
        os.truncate(paths[1], 3000)
        corrupted(paths[2], paths[2].stat().st_size - 5, 1)
        paths[3].unlink()
        with pytest.raises(UserError, match=r"(?s)001\.h5.*002\.h5: damaged.*003\.h5: no such file"):
            write_joined_view(build.folder / "view.h5", paths)
        with pytest.raises(UserError, match="cannot be joined from 0 shards"):
            write_joined_view(build.folder / "view.h5", [])
        with pytest.raises(UserError, match="is a joined view itself"):
            write_joined_view(build.folder / "view.h5", [build.view("other")])


class TestFolders:
    """What `check` tells of a whole run."""

    def test_sound_run(self, build):
        build.view()
        with h5py.File(build.folder / "results/faces.h5", "w") as file:
            file["images"] = 1
        report = check(build.folder)
        assert report.faults == []
        assert len(report.checked) == 4

    def test_shards_that_are_not_joined_are_a_note(self, build):
        build.shards()
        (fault,) = check(build.folder).faults
        assert fault.note
        assert fault.message.endswith(f"not joined yet: snakemake --cores all {STEM}.h5")

    def test_faulty_run(self, build):
        other = STEM.replace("ffa-line", "ffa-iterative")
        build.view()
        build.view(other)
        build.shard(f"{STEM}/003.h5", 3, 72)
        build.shard(f"{other}/002.h5", 2, 48, parameters={})
        os.truncate(build.folder / other / "001.h5", 100)
        (build.folder / STEM / ".000.123-0123abcd.h5").touch()
        report = check(build.folder)
        messages = "\n".join(fault.message for fault in report.faults)
        assert not report.sound
        for expected in (
            f"{STEM}/003.h5: is no part of {build.folder}/{STEM}.h5",
            f"{other}/001.h5: has only 100 bytes",
            f"delete it, then run: snakemake --cores all {other}/001.h5",
            f"{other}/002.h5: is of another run: parameters is {{}}",
            f"delete them, then run: snakemake --cores all {other}/002.h5 {other}.h5",
            ".000.123-0123abcd.h5: being written, or left by a writer",
        ):
            assert expected in messages

    def test_empty_folder(self, build):
        (fault,) = check(build.folder).faults
        assert fault.note
        assert "holds no perturbation store" in fault.message


def test_checkpoints(build):
    import hashlib

    networks = build.folder / "networks"
    (networks / "euclidean/Smiling").mkdir(parents=True)
    (networks / "euclidean/Smiling/converged.pt").write_bytes(b"weights")
    (networks / "moon/all").mkdir(parents=True)
    (networks / "moon/all/converged.pt").write_bytes(b"moon")
    right, moon = hashlib.sha256(b"weights").hexdigest(), hashlib.sha256(b"moon").hexdigest()
    sound = build.shard("a.h5", checkpoint_sha256={"Smiling": right})
    assert check(sound, networks=networks).sound
    assert check(build.shard("m.h5", network="moon", checkpoint_sha256={"all": moon}), networks=networks).sound
    other = build.shard("b.h5", checkpoint_sha256={"Smiling": "00", "Young": "00"})
    messages = [fault.message for fault in check(other, networks=networks).faults]
    assert "converged checkpoint of Smiling is not the one that was attacked" in messages[0]
    assert "names Young, of which there is no checkpoint" in messages[1]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or not mount:
        pytest.skip("needs the right to mount a small file system")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "none", folder], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_read_only(build, small_disk):
    """Reading works; writing is refused before the attack begins, not after it."""
    build.folder = small_disk
    path = build.shard("a.h5", rows=4)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert read_everything(path)
    assert check(path).sound
    with pytest.raises(UserError, match=r"b\.h5: read-only file system, nothing was written .* make .* writable"):
        StoreWriter(small_disk / "b.h5", build.header(), 4, (12, 10)).__enter__()
    with pytest.raises(UserError, match=r"view\.h5: read-only file system"):
        write_joined_view(small_disk / "view.h5", [path])


def test_what_memory_cannot_hold_makes_no_difference(build, monkeypatch):
    """Compressed images wait in memory, the rest of them in a file; the store has the same bytes."""
    expected = build.shard("memory.h5", rows=12).read_bytes()
    for memory in (0, 1500):
        monkeypatch.setattr("faceflip.store.writer.MEMORY_BYTES", memory)
        assert build.shard("file.h5", rows=12).read_bytes() == expected


def test_full_disk(build, small_disk, monkeypatch):
    """Told, and nothing stays: neither when the file is written nor when compressed images no longer fit in memory."""
    build.folder = small_disk
    old = build.shard("old.h5", rows=4)
    for memory in (1 << 28, 1000):
        monkeypatch.setattr("faceflip.store.writer.MEMORY_BYTES", memory)
        for name in ("new.h5", "old.h5"):
            with pytest.raises(UserError, match=rf"{name}: no space left on device, .*; free some space"):
                build.shard(name, rows=100, size=(40, 40))
        assert list(small_disk.iterdir()) == [old]
    assert check(old).sound
    build.shard("new.h5", rows=4)


def test_export_to_a_full_or_read_only_disk(build, small_disk):
    with open_store(build.shard("a.h5", rows=100, size=(40, 40))) as store:
        images = build.images(100, 40, 40)
        with pytest.raises(UserError, match=r"disk/faces: no space left on device, nothing was written .*; free some"):
            export_png(store, np.arange(100), images, small_disk / "faces")
        assert list(small_disk.iterdir()) == []
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        with pytest.raises(UserError, match=r"disk/faces: read-only file system, nothing was written .* writable"):
            export_png(store, np.arange(100), images, small_disk / "faces")


def test_full_disk_at_any_point(build, small_disk):
    """Whatever is left when the file is written: a whole store or the error, never anything else."""
    build.folder = small_disk
    outcomes = set()
    ballast = small_disk / "ballast"
    for kilobytes in range(0, 256, 12):
        ballast.write_bytes(bytes(1024 * kilobytes))
        try:
            outcomes.add(check(build.shard("a.h5", rows=30, size=(20, 20))).sound)
            (small_disk / "a.h5").unlink()
        except UserError as error:
            outcomes.add("no space left" in str(error) and "full")
        assert list(small_disk.iterdir()) == [ballast]
    assert outcomes == {True, "full"}


def test_missing_plugin(build, monkeypatch):
    pytest.importorskip("hdf5plugin")
    path = build.shard("a.h5", compression="blosc")
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: False)
    with pytest.raises(UserError, match=r"a\.h5: /perturbation is compressed by Blosc.*pip install hdf5plugin"):
        open_store(path)
    with pytest.raises(UserError, match=r"compression: blosc .*needs a plugin"):
        StoreWriter(build.folder / "b.h5", build.header(), 4, (12, 10), "blosc")


def test_another_dataset(build):
    with open_store(build.shard("a.h5")) as store:
        store.require_dataset("5e" * 32)
        with pytest.raises(
            UserError, match=r"'dataset_fingerprint' is 5e5e5e5e5e5e\.\.\., that of the dataset is 000000"
        ):
            store.require_dataset("0" * 64)


class TestStrangeFolders:
    """What lies in real folders is told, each by one line, and hides nothing."""

    def test_what_is_no_store(self, build, call):
        """Broken links, folders and pipes with the names of stores."""
        view = build.view()
        folder = view.parent
        (folder / "broken.h5").symlink_to("nowhere")
        (folder / "unmounted").symlink_to("nowhere")
        (folder / "round.h5").symlink_to("round.h5")
        (folder / "a folder.h5").mkdir()
        (folder / "a folder.h5/x.txt").touch()
        os.mkfifo(folder / "pipe.h5")
        os.mkfifo(folder / "pipe")
        status, said = call("check", build.folder)
        assert status == 1
        lines = [line.removeprefix(f"FAULT: {folder}/") for line in said.splitlines() if line.startswith("FAULT")]
        unknown = ", so that nothing is known of it; move it away"
        assert lines == [
            "broken.h5: is a link to nowhere, which is not there; put that back or delete the link",
            f"pipe.h5: cannot be read (no regular file, but a pipe, socket or device){unknown}",
            f"round.h5: cannot be read (too many levels of symbolic links){unknown}",
            "unmounted: is a link to nowhere, which is not there; put that back or delete the link",
        ]
        assert said.endswith("4 stores checked, 4 faults\n")

    @pytest.mark.parametrize("command", ["inspect", "check", "diff"])
    def test_given_on_the_command_line(self, build, call, command):
        os.mkfifo(build.folder / "pipe.h5")
        (build.folder / "broken.h5").symlink_to("nowhere")
        more = [build.shard("a.h5")] if command == "diff" else []
        for name, message in (("pipe", "no regular file"), ("broken", "is a link to nowhere|no such file")):
            try:
                status, said = call(command, build.folder / f"{name}.h5", *more)
            except UserError as error:
                status, said = 2, str(error)
            assert status
            assert re.search(message, said)

    def test_scores_that_are_no_file(self, build, call):
        scores = build.scores(build.shard(f"{STEM}/000.h5"))
        scores.unlink()
        os.mkfifo(scores)
        status, said = call("check", build.folder)
        assert status == 1
        assert "000.parquet: not a readable table" in said

    @pytest.mark.slow
    @pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to give its rights away")
    def test_what_may_not_be_read(self, build):
        """Is no reason to call the folder sound, nor to end in a traceback."""
        view = build.view()
        other = build.view(STEM.replace("converged", "epoch1"))
        (view.with_suffix("") / "001.h5").chmod(0)
        other.parent.chmod(0)
        outer = build.folder / "outer"
        build.shard("outer/inner/a.h5")
        outer.chmod(0)
        command = [sys.executable, "-c", "from faceflip.cli import main; main()", "check"]
        without_rights = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]
        environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}

        def run(*arguments):
            call = [*without_rights, *command, *map(str, arguments)]
            return subprocess.run(call, capture_output=True, text=True, env=environment)

        try:
            whole, inner, shard = run("results"), run(outer / "inner"), run(outer / "inner/a.h5")
            whole = run(build.folder / "results")
        finally:
            outer.chmod(0o755)
            other.parent.chmod(0o755)
        assert "Traceback" not in whole.stderr + inner.stderr + shard.stderr
        assert whole.returncode == 1
        unread = "cannot be read (permission denied), so that nothing is known of it; make it readable and check again"
        assert f"FAULT: {other.parent}: {unread}\n" in whole.stdout
        assert f"FAULT: {view.with_suffix('')}/001.h5: {unread}\n" in whole.stdout
        assert whole.stdout.endswith("3 stores checked, 3 faults\n"), "the view, too, lacks its shard"
        assert (inner.returncode, shard.returncode) == (2, 2)
        assert "cannot be read (permission denied)" in inner.stderr


def test_names_do_not_steer_the_terminal(build, call, capsys, monkeypatch):
    """Those of files, whichever way they are told; what is printable stays as it is."""
    name = "\x1b]0;mine\x07\x9b2J ü [bold].h5"
    path = build.shard(name)
    safe = "\\x1b]0;mine\\x07\\x9b2J ü [bold].h5"
    (build.folder / f"broken{name}").symlink_to("nowhere")
    for arguments in (("inspect", path), ("check", build.folder), ("diff", path, path), ("check", path)):
        said = call(*arguments)[1]
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", said)
        assert safe in said or arguments[0] == "diff" or arguments == ("check", path)
    from faceflip.cli import main

    os.truncate(path, 3000)
    monkeypatch.setattr(sys, "argv", ["faceflip", "inspect", str(path)])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert said.startswith(f"Error: {build.folder}/{safe}: has 3,000 bytes")
