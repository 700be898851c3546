"""Leases of GPUs that are only names, by real processes."""

import errno
import os
import subprocess
import sys
import types
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from faceflip.errors import UserError
from faceflip.runtime import gpus as module
from faceflip.runtime.device import accelerator, computing_on
from faceflip.runtime.gpus import lease, visible_gpus

MACHINE = [f"GPU-{digit * 8}-0000-0000-0000-000000000000" for digit in "0123"]


def test_an_unknown_device_is_no_choice_of_ours():
    for context in (computing_on("gpu", threads=1), accelerator("gpu")):
        with pytest.raises(UserError, match="no device 'gpu'; there are auto, cpu, cuda"), context:
            pass


class Job:
    """A process that wants a GPU."""

    def __init__(self, folder, gpus, jobs_per_gpu=1):
        script = Path(__file__).with_name("holder.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(folder), str(jobs_per_gpu), *gpus],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(script.parents[2] / "scripts")},
        )

    def leased(self):
        """Wait for the lease and return what was leased."""
        for line in self.process.stdout:
            if line.startswith("leased "):
                return line.split()[1]
        raise AssertionError(self.process.stderr.read())

    def waiting(self):
        """Wait until the job says that it waits, and return what it says."""
        return self.process.stderr.readline()

    def end(self):
        self.process.communicate("")
        assert self.process.returncode == 0

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def job(tmp_path):
    """Start jobs that are ended with the test."""
    with ExitStack() as stack:

        def start(gpus=MACHINE, jobs_per_gpu=1):
            started = Job(tmp_path / "locks", gpus, jobs_per_gpu)
            stack.callback(started.kill)
            return started

        yield start


def test_no_two_jobs_share_a_gpu(job):
    jobs = [job() for _ in range(4)]
    assert sorted(each.leased() for each in jobs) == MACHINE


def test_a_job_too_many_waits_and_says_so(job):
    first = job(MACHINE[:1])
    assert first.leased() == MACHINE[0]
    second = job(MACHINE[:1])
    assert second.waiting().startswith("waiting: other jobs hold all 1 visible GPUs (1 a GPU).")
    first.end()
    assert second.leased() == MACHINE[0]


def test_the_gpu_of_a_killed_job_is_free_again(job):
    first = job(MACHINE[:1])
    assert first.leased() == MACHINE[0]
    second = job(MACHINE[:1])
    assert "`--resources gpu=1` starts no more jobs than there is room for" in second.waiting()
    first.kill()
    assert second.leased() == MACHINE[0]


def test_jobs_with_other_numbers_for_the_same_gpu_agree(job):
    """As CUDA_VISIBLE_DEVICES=1 and CUDA_VISIBLE_DEVICES=0,1 have it."""
    assert job([MACHINE[1]]).leased() == MACHINE[1]
    assert job([MACHINE[1], MACHINE[0]]).leased() == MACHINE[0]


def test_gpus_are_shared_evenly_where_that_is_allowed(job):
    taken = []
    for _ in range(4):
        taken.append(job(MACHINE[:2], jobs_per_gpu=2).leased())
    assert sorted(taken[:2]) == sorted(taken[2:]) == MACHINE[:2]
    assert "hold all 2 visible GPUs (2 a GPU). `--resources gpu=4`" in job(MACHINE[:2], jobs_per_gpu=2).waiting()


def test_a_lease_ends_with_its_context(tmp_path):
    for _ in range(2):
        with lease(MACHINE[:1], folder=tmp_path) as number:
            assert number == 0


def test_locks_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"file: the locks .* point TMPDIR to a folder that is yours"),
        lease(MACHINE, folder=tmp_path / "file"),
    ):
        pass


def test_a_disk_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", Mock(side_effect=OSError(errno.ENOSYS, "Function not implemented")))
    with pytest.raises(UserError, match=r"not implemented.*point TMPDIR to a folder"), lease(MACHINE, folder=tmp_path):
        pass


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of four GPUs; which of them a process sees is PyTorch's own reading of CUDA_VISIBLE_DEVICES."""
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    used = []

    def seen():
        wanted = torch.cuda._parse_visible_devices()
        if wanted and isinstance(wanted[0], str):
            return [uuid for name in wanted for uuid in MACHINE if uuid.startswith(name)]
        return [MACHINE[number] for number in wanted if number < len(MACHINE)]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(seen()))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(seen()))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: types.SimpleNamespace(uuid=seen()[number]))
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    return used


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, MACHINE),
        ("2", [MACHINE[2]]),
        ("3,1", [MACHINE[3], MACHINE[1]]),
        (MACHINE[2], [MACHINE[2]]),
        ("GPU-33333333,GPU-00000000", [MACHINE[3], MACHINE[0]]),
        ("", []),
        ("-1", []),
    ],
)
def test_only_visible_gpus_are_leased(machine, monkeypatch, visible, expected):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus() == expected
    if not expected:
        return
    with ExitStack() as jobs:
        devices = [jobs.enter_context(computing_on("auto", threads=1)) for _ in expected]
    assert devices == [torch.device("cuda", number) for number in range(len(expected))]
    assert machine == list(range(len(expected))), "made the current device, too"


def test_a_machine_whose_gpus_are_hidden(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with computing_on("auto", threads=1) as device:
        assert device == torch.device("cpu")
    with (
        pytest.raises(UserError, match=r"torch sees no GPU here \(CUDA_VISIBLE_DEVICES is ''\); set it to auto or cpu"),
        computing_on("cuda", threads=1),
    ):
        pass


def test_the_cpu_needs_no_lease(machine):
    with computing_on("cpu", threads=1) as device, accelerator("cpu") as gpu:
        assert (device, gpu) == (torch.device("cpu"), None)
    assert machine == []


@pytest.mark.parametrize("deterministic", [False, True])
def test_trainings_choose_deterministic_algorithms(machine, monkeypatch, deterministic):
    chosen = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda *_, **options: chosen.append(options))
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with computing_on("cuda", threads=1, tf32=True, deterministic=deterministic):
        assert torch.backends.cudnn.allow_tf32
        assert torch.backends.cuda.matmul.allow_tf32
    with computing_on("cuda", threads=1):
        assert not torch.backends.cudnn.allow_tf32
    assert chosen == [{"warn_only": True}] * deterministic
