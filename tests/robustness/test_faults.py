"""Disks that are full, folders that cannot be written to, clocks that jump: told clearly, and resumed afterwards."""

import mmap
import os
import re
import shutil
import subprocess
import time

import pytest
import yaml
from faults import MICRO, assert_same_results, results_of
from running import Workflow, copy_of

from faceflip.data.packed import open_dataset
from faceflip.data.packing import pack_dataset
from faceflip.data.synthetic import write_celeba
from faceflip.errors import UserError
from faceflip.io.clock import require_past
from faceflip.io.files import LEFTOVER, replacing, require_writable, sweep
from faceflip.io.paths import ATTEMPTS
from faceflip.runtime.elsewhere import python

pytestmark = pytest.mark.workflow

TABLE = "results/tables/flippability.csv"


@pytest.fixture
def disk(tmp_path):
    """Mount a file system of a given size at a folder of the run's directory."""
    mounted = []

    def mount(size, folder="results"):
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        options = f"size={size}" + (",remount" if place in mounted else "")
        command = ["mount", "-t", "tmpfs", "-o", options, "none", place]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small file system cannot be mounted here")
        if place not in mounted:
            mounted.append(place)

    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs the right to mount a small file system")
    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


def leftovers(directory):
    return [path for path in (directory / "results").rglob(".*") if LEFTOVER.fullmatch(path.name)]


def test_full_disk(micro, tmp_path, disk):
    """The disk grows only a little after each failure, so that several stages meet its end."""
    run = Workflow(tmp_path, [MICRO])
    stages = set()
    for size in ("300k", "1500k", "2500k", "4m", "6m"):
        disk(size)
        result = run(ATTEMPTS, "--cores", 2, check=False)
        said = result.stdout + result.stderr
        assert result.returncode == 1, size
        assert not leftovers(tmp_path)
        errors = [line for line in said.splitlines() if line.startswith("Error: results/")]
        assert errors, said
        assert all("no space left on device" in line and "free some space and run again" in line for line in errors)
        stages |= {line.split("/")[1] for line in errors}
        if len(stages) >= 3:
            break
    assert len(stages) >= 3, stages
    disk("200m")
    run("--cores", 2)
    assert_same_results(run, micro)


def test_read_only_results(micro, tmp_path, disk):
    """Told by Snakemake before any job; after the remount the same command does it."""
    disk("200m")
    run = copy_of(micro, tmp_path)
    before = results_of(tmp_path)
    (tmp_path / TABLE).unlink()
    place = tmp_path / "results"
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    result = run("--cores", 1, TABLE, check=False)
    said = result.stdout + result.stderr
    assert result.returncode == 1
    assert "Write-protected output files for rule make_table" in said
    assert "Traceback" not in said
    subprocess.run(["mount", "-o", "remount,rw", place], check=True)
    run("--cores", 1, TABLE)
    assert results_of(tmp_path) == before


def test_read_only_working_directory(tmp_path, disk):
    disk("1m", "project")
    run = Workflow(tmp_path / "project", [MICRO])
    subprocess.run(["mount", "-o", "remount,ro", tmp_path / "project"], check=True)
    said = run.said("--cores", 1, check=False)
    assert "permission denied, or a read-only file system" in said
    assert "Traceback" not in said


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to give its rights away")
def test_no_permission(micro, tmp_path):
    """A folder of results that the user may not write to."""
    run = copy_of(micro, tmp_path)
    (tmp_path / TABLE).unlink()
    folder = (tmp_path / TABLE).parent
    folder.chmod(0o555)
    command, environment = run.command("--cores", 1, TABLE)
    without_rights = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]
    try:
        result = subprocess.run([*without_rights, *command], capture_output=True, text=True, env=environment)
    finally:
        folder.chmod(0o755)
    said = result.stdout + result.stderr
    assert result.returncode == 1
    assert "Traceback" not in said
    assert "results/tables: permission denied" in said
    assert "make it writable and run again" in said
    run("--cores", 1, TABLE)
    assert_same_results(run, micro)


VIEW = "results/attacks/paper/euclidean/converged/ffa-line.h5"
SHARD = "results/attacks/paper/euclidean/converged/ffa-line/001.h5"
CHECKPOINT = "results/networks/euclidean/Smiling/converged.pt"


BY_DATE = ("--max-checksum-file-size", 1_000_000)
"""Snakemake compares larger files by dates: a stand-in for a checkpoint that is larger than the default."""


def test_a_clock_that_was_ahead(tmp_path):
    """Told before anything is computed that Snakemake would throw away; the remedy that is named works.

    The checkpoint has more bytes than Snakemake is told to compare by contents and not times.
    """
    overlay = {"architecture": {"width": 0.25}, "training": {"checkpoints": []}}
    overlay["networks"] = {"softmax": None, "moon": None}
    overlay["experiments"] = {"paper": {"euclidean": {"converged": ["ffa-line"], "epoch2": None}}}
    (tmp_path / "large.yaml").write_text(yaml.safe_dump(overlay))
    run = Workflow(tmp_path, [MICRO, tmp_path / "large.yaml"])
    run(VIEW, "--cores", 2, *BY_DATE)
    assert (tmp_path / CHECKPOINT).stat().st_size > 1_000_000
    before = results_of(tmp_path)
    moment = time.time() + 86_400
    os.utime(tmp_path / CHECKPOINT, (moment, moment))
    (tmp_path / SHARD).unlink()
    (tmp_path / VIEW).unlink()
    result = run(VIEW, "--cores", 1, *BY_DATE, check=False)
    said = result.stdout + result.stderr
    assert result.returncode == 1
    assert f"1 file from which others are to be made, dated up to 24.0 hours into the future: {CHECKPOINT}. " in said
    assert "rule attack_shard" not in said, "nothing was computed"
    assert "Traceback" not in said
    (remedy,) = re.findall(r"then run\n +(.*)\n", said)
    subprocess.run(remedy, shell=True, check=True, cwd=tmp_path)
    run(VIEW, "--cores", 1, *BY_DATE)
    assert results_of(tmp_path) == before
    assert "Nothing to be done" in run.said(VIEW, "--cores", 1, *BY_DATE)


class TestClock:
    def test_what_is_in_the_past_or_not_there(self, tmp_path):
        (tmp_path / "a").touch()
        require_past([tmp_path / "a", tmp_path / "gone"])

    def test_a_short_while_is_waited_for(self, tmp_path, monkeypatch):
        (tmp_path / "a").touch()
        slept = []
        monkeypatch.setattr(time, "sleep", slept.append)
        moment = time.time() + 30
        os.utime(tmp_path / "a", (moment, moment))
        require_past([tmp_path / "a"])
        assert slept == [pytest.approx(30, abs=5)]

    def test_many_files_and_folders(self, tmp_path):
        """The remedy works also where names have spaces; a folder that Snakemake made has its time in a file."""
        moment, files = time.time() + 7200, []
        for number in range(12):
            files.append(tmp_path / f"my run {number % 2}" / f"{number}.h5")
            files[-1].parent.mkdir(exist_ok=True)
            files[-1].touch()
            os.utime(files[-1], (moment, moment))
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder/.snakemake_timestamp").touch()
        os.utime(tmp_path / "folder", (moment, moment))
        with pytest.raises(UserError, match=r"12 files .* 2\.0 hours .*, \.\.\.\. ") as error:
            require_past([*files, tmp_path / "folder"])
        subprocess.run(str(error.value).splitlines()[1], shell=True, check=True)
        require_past([*files, tmp_path / "folder"])


def test_a_dataset_that_cannot_be_mapped(tmp_path, monkeypatch):
    """Nobody is told to delete what is sound."""
    write_celeba(tmp_path / "celeba", train=2, validation=1, test=1, seed=1)
    pack_dataset(tmp_path / "celeba", tmp_path / "faces.h5")

    def refuse(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(UserError, match=r"faces\.h5: cannot be mapped into memory \(Cannot allocate memory\)") as error:
        open_dataset(tmp_path / "faces.h5")
    assert "delete" not in str(error.value)


def test_names_that_the_terminal_has_no_letters_for(tmp_path):
    """The log has them, the screen what it can show; the message is not lost."""
    code = f"""
from types import SimpleNamespace
from faceflip.errors import UserError
from faceflip.stages.job import job
with job(SimpleNamespace(log=[{str(tmp_path / "job.log")!r}])):
    print("M\\xfcller")
    raise UserError("M\\xfcller/smile.h5: missing")
"""
    command = python(code, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8=0, PYTHONCOERCECLOCALE=0)
    ended = subprocess.run(**command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.strip() == "Error: M\\xfcller/smile.h5: missing"
    assert (tmp_path / "job.log").read_text(encoding="utf-8").startswith("Müller\n")


@pytest.mark.parametrize("days", [-400, 2])
def test_a_clock_that_jumps(micro, tmp_path, days):
    """Small files of another time are compared by content, or made again with the same bytes; --touch ends it."""
    run = copy_of(micro, tmp_path)
    moment = time.time() + days * 86400
    for path in ("networks/euclidean/Smiling/converged.pt", "dataset/faces.h5", "predictions.parquet"):
        os.utime(tmp_path / "results" / path, (moment, moment))
    run("--cores", 2)
    assert_same_results(run, micro)
    run("--cores", 1, "--touch")
    assert "Nothing to be done" in run.said("--cores", 1)
    assert_same_results(run, micro)


class TestReplacing:
    @pytest.mark.parametrize("number", [28, 122, 13, 30])
    def test_disk_errors_are_told(self, tmp_path, number):
        def fail():
            with replacing(tmp_path / "a.csv") as beside:
                beside.write_text("half")
                raise OSError(number, os.strerror(number))

        with pytest.raises(UserError, match=r"a\.csv: .*nothing was written under this name; (free|make) "):
            fail()
        assert list(tmp_path.iterdir()) == []

    def test_disk_errors_of_hdf5_are_told(self, tmp_path):
        def fail():
            with replacing(tmp_path / "a.h5"):
                raise OSError("Can't write data (file write failed: errno = 28, error message = 'No space left')")

        with pytest.raises(UserError, match="no space left on device"):
            fail()

    def test_other_errors_stay_what_they_are(self, tmp_path):
        with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.csv"):
            (tmp_path / "b.csv").read_text()
        with pytest.raises(IsADirectoryError), replacing(tmp_path / "a.csv"):
            tmp_path.read_text()

    def test_names_that_will_not_do_are_told_at_once(self, tmp_path):
        (tmp_path / "file").write_text("mine")
        (tmp_path / "folder").mkdir()
        for name, reason in (
            ("folder", "is a directory"),
            ("file/a.csv", "file exists"),
            ("file/b/a", "not a directory"),
        ):
            with pytest.raises(UserError) as error, replacing(tmp_path / name):
                raise AssertionError("nothing is written first")
            there = tmp_path / name.partition("/")[0]
            assert f"{tmp_path / name}: {reason}, nothing was written under this name; name" in str(error.value)
            assert str(error.value).endswith(f"or move {there} out of the way")
        assert (tmp_path / "file").read_text() == "mine"

    def test_folders_that_cannot_be_written_to_are_told_before(self, tmp_path, monkeypatch):
        (tmp_path / "tables").mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: path.name != "tables")
        require_writable([tmp_path / "figures/a", tmp_path])
        with pytest.raises(UserError, match=r"/tables: permission denied.*; make it writable and run again"):
            require_writable([tmp_path / "tables", tmp_path / "tables/html", tmp_path])

    def test_sweep(self, tmp_path):
        folder = tmp_path / "results/tables"
        folder.mkdir(parents=True)
        old, fresh, other = (
            folder / ".a.12-0123abcd.csv",
            folder / ".b.12-0123abcd.csv",
            folder / ".snakemake_timestamp",
        )
        for path in (old, fresh, other):
            path.touch()
        os.utime(old, (0, 0))
        drawn = folder / ".synthetic.12-0123abcd"
        (drawn / "celeba").mkdir(parents=True)
        (drawn / "celeba/000001.jpg").touch()
        os.utime(drawn, (0, 0))
        sweep(tmp_path / "results", idle=3600)
        assert sorted(folder.iterdir()) == sorted([fresh, other, drawn]), "what lies in a folder counts"
        sweep(tmp_path / "results")
        assert list(folder.iterdir()) == [other]
        sweep(tmp_path / "nothing")
