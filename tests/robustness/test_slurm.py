"""The profile for Slurm on a Slurm of several nodes that the test brings up, while nodes, jobs and heads fail."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from cluster import Cluster, why_not
from daemons import said, wait_until
from faults import MICRO, OF_OTHERS, Running, assert_same_as_far_as_it_went, assert_same_results
from jobs import PLAN, SHARD
from machines import Machine, SharedDisk, why_no_shared_disk
from running import ROOT, Workflow

from faceflip.runtime.run_lock import LOCK

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

PROFILE, GENERIC = ROOT / "workflow/profiles/slurm", ROOT / "workflow/profiles/slurm-generic"
STUB = ROOT / "tests/robustness/stub.smk"
PRODUCTS = {"products_make_figure", "products_make_figure_make_table", "products_make_table"}
"""What the plugin calls submissions of the group of tables and figures, by what is in them."""
OF_LOGIN = "/tmp/of-login"
POLLING = ("--slurm-init-seconds-before-status-checks", 2)


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """What nodes and head share. They look at it anew every few seconds only."""
    if reason := why_no_shared_disk():
        pytest.skip(f"no shared disk: {reason}")
    return SharedDisk(tmp_path_factory.mktemp("disk"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, disk):
    if reason := why_not():
        pytest.skip(f"no Slurm: {reason}")
    with Cluster(tmp_path_factory.mktemp("slurm"), disk) as cluster:
        yield cluster


@pytest.fixture
def start():
    """A function that starts a run, which does not outlive the test."""
    runs = []

    def start_(*arguments):
        runs.append(Running(*arguments))
        return runs[-1]

    yield start_
    for run in runs:
        run.signal()


class FromLogin(Workflow):
    """A run whose head is on a login node, which is none of the cluster's nodes, and has a TMPDIR that they lack."""

    def __init__(self, cluster, disk, name, snakefile=None, cached=3, preloaded=None):
        super().__init__(disk.disk / name, [] if snakefile else [MICRO])
        self.directory.mkdir()
        self._seen = Workflow(disk.seen / name, self.configfiles)
        self._snakefile, self._preloaded = snakefile, preloaded
        self._login = Machine("login", kept=cluster.folder, disk=disk, cached=cached)

    def command(self, *arguments):
        command, environment = self._seen.command(*arguments)
        if self._snakefile:
            command[command.index("--snakefile") + 1] = str(self._snakefile)
            command += ["--config", f"python={sys.executable}"]
        if self._preloaded:
            command = ["env", f"LD_PRELOAD={self._preloaded}", *command]
        return self._login.command(*command), {**environment, "TMPDIR": OF_LOGIN}

    def run(self, command, environment):
        return subprocess.run(command, capture_output=True, text=True, cwd=self.project, env=environment)


def process_of(job, script):
    """Return the process in which a job of Slurm runs a script of the workflow, or None."""
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            arguments = process.info["cmdline"] or []
            runs_it = any(argument.endswith(f".{script}.py") for argument in arguments[1:2])
            if runs_it and process.environ().get("SLURM_JOB_ID") == job.number:
                return process
    return None


def test_a_run_on_a_cluster_where_everything_fails(cluster, disk, micro, start):
    (disk.disk / "partitions.yaml").write_text(said(sys.executable, "-m", "snakemake_executor_plugin_slurm.cli"))
    workflow = FromLogin(cluster, disk, "run")
    command = ("--profile", PROFILE, *POLLING, "--slurm-partition-config", disk.seen / "partitions.yaml")
    command += ("--default-resources", "slurm_account=faces", "mem_mb=2000", "runtime=30")
    # A GPU for each attack; too little time and too little memory for the first attempts of others.
    command += ("--set-resources", "attack_shard:gpu=1", "attack_shard:gpu_model=a100")
    command += ("score_fold:runtime=attempt", "predict_network:mem_mb=100 * attempt ** 4")
    command += ("score_fold:slurm_partition=gpu",)  # whose node stays
    # Small jobs that come many at a time share a submission.
    command += ("--groups", "make_table=products", "make_figure=products", "--group-components", "products=4")
    command += ("--resources", "mem_mb=4000")

    cluster.drain("face3")
    run = start(workflow, *command)

    # One job is cancelled.
    def trained():
        return [job for job in cluster.running("train_network") if job.wildcards == "moon_all"]

    assert run.wait_until(trained), run.said
    cancelled = trained()[0]
    cluster.cancel(cancelled)

    # One job does not get on, so that its minute passes.
    assert run.wait_until(lambda: cluster.running("score_fold")), run.said
    slow = cluster.running("score_fold")[0]
    process = wait_until(lambda: process_of(slow, "score_fold"), "the script of the job")
    process.suspend()
    assert process.environ()["TMPDIR"] == OF_LOGIN
    places = [Path(f"/proc/{number}/root{OF_LOGIN}").stat().st_dev for number in (process.pid, run.head.pid)]
    assert places[0] != places[1], "the node has a folder of its own of the name that the head's has"

    # What was cancelled is tried again.
    assert run.wait_until(lambda: [job for job in trained() if job.number != cancelled.number]), run.said
    second = trained()[0]
    assert (second.memory, second.minutes) == (2 * cancelled.memory, 2 * cancelled.minutes)

    # Its node goes down, and the one that was drained takes its place.
    cluster.nodes[second.node].cut_power()
    assert [job for job in cluster.jobs() if job.node == "face3"] == []
    cluster.resume("face3")

    # One job is begun again.
    assert run.wait_until(lambda: cluster.running("attack_shard")), run.said
    requeued = cluster.running("attack_shard")[0]
    cluster.requeue(requeued)

    assert run.wait_until(lambda: cluster.running("score_shard")), run.said
    run.signal(signal.SIGKILL)
    assert [job for job in cluster.jobs() if job.state in ("RUNNING", "PENDING")], "the head was killed, its jobs not"

    resumed = start(workflow, *command)
    assert resumed.wait(1200) == 0, resumed.said
    assert_same_results(workflow, micro)

    begun = cluster.jobs(duplicates=True)
    jobs = [job for job in begun if job.state == "COMPLETED"]
    apart = set(micro.rules()) - {"all", "make_table", "make_figure"} - OF_OTHERS
    products = [job for job in jobs if job.rule in PRODUCTS]
    assert {job.rule for job in jobs} - {"make_table", "make_figure"} - PRODUCTS == apart

    def ended(state):
        return {(job.number, job.rule) for job in begun if job.state == state}

    assert 0 < len(products) < len(PLAN.tables) + len(PLAN.figures)
    assert ended("CANCELLED") == {(cancelled.number, "train_network")}
    assert (slow.number, "score_fold") in ended("TIMEOUT")
    assert {rule for _, rule in ended("OUT_OF_MEMORY")} == {"predict_network"}
    assert {job.memory for job in jobs if job.rule == "predict_network"} == {1600}
    assert (second.number, "train_network") in ended("NODE_FAIL")
    assert (requeued.number, "attack_shard") in ended("REQUEUED")
    assert {job.account for job in begun} == {"faces"}

    places = {(job.rule, job.partition, job.gpus) for job in begun}
    assert {place for place in places if place[0] == "attack_shard"} == {("attack_shard", "gpu", True)}
    assert {place for place in places if place[0] == "train_network"} == {("train_network", "long", False)}
    assert ("draw_sample", "short", False) in places


def test_jobs_compute_on_the_gpus_that_slurm_gave_them(cluster, disk):
    run = FromLogin(cluster, disk, "leases", STUB)
    run("lease/0.json", "lease/1.json", "--profile", PROFILE, *POLLING, "--set-resources", "lease:slurm_partition=gpu")
    told = [json.loads(path.read_text()) for path in sorted((run.directory / "lease").iterdir())]
    assert all(each["gpu"][len("GPU-")] == each["visible"] for each in told), told
    one, two = sorted(told, key=lambda each: each["begun"])
    assert two["begun"] < one["ended"], "side by side"
    assert one["gpu"] != two["gpu"]


def test_files_that_the_head_sees_late(cluster, disk, start):
    ended = {}
    for patience in (1, 60):
        late = FromLogin(cluster, disk, f"late-{patience}", STUB, cached=15)
        ended[patience] = start(
            late, "many/0", "--profile", PROFILE, *POLLING, "--retries", 0, "--latency-wait", patience
        )
    assert ended[60].wait() == 0, ended[60].said
    assert ended[1].wait() == 1, ended[1].said
    assert "MissingOutputException" in ended[1].said


@pytest.fixture
def without_flock(cluster):
    """A library with which a program, and what it starts, has no flock, as on some file systems."""
    if not shutil.which("gcc"):
        pytest.skip("gcc not found")
    library = cluster.folder / "without_flock.so"
    source = "#include <errno.h>\nint flock(int file, int operation) { errno = ENOSYS; return -1; }\n"
    command = ["gcc", "-x", "c", "-shared", "-fPIC", "-o", library, "-"]
    subprocess.run(list(map(str, command)), input=source, text=True, check=True)
    return library


def test_plain_commands_of_slurm_on_a_disk_without_locks(cluster, disk, micro, start, without_flock):
    pytest.importorskip("snakemake_executor_plugin_cluster_generic", reason="needs the plugin cluster-generic")
    workflow = FromLogin(cluster, disk, "generic", preloaded=without_flock)
    # These commands choose no partition; the default one is for an hour.
    hour = [f"{rule}:runtime=60" for rule in ("pack_dataset", "train_network", "attack_shard")]
    run = start(workflow, SHARD, "--profile", GENERIC, "--set-resources", *hour)
    assert run.wait_until(lambda: cluster.running("train_network")), run.said
    assert (workflow.directory / LOCK).read_text() == "", "the run could not lock its directory"
    cluster.cancel(cluster.running("train_network")[0])
    assert run.wait() == 0, run.said
    assert "Trying to restart job" in run.said
    assert (workflow.directory / SHARD).exists()
    assert_same_as_far_as_it_went(workflow, micro)
