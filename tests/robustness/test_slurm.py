"""The profile for Slurm on a Slurm of one node that the test brings up: every rule, a cancelled job, a killed head."""

import signal

import pytest
import yaml
from cluster import Cluster, why_not
from faults import MICRO, OF_OTHERS, Running, assert_same_results
from running import ROOT, Workflow

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

PROFILE = ROOT / "workflow/profiles/slurm"
ARRAYS = {"fine_tune", "attack_shard", "score_shard", "transfer_shard", "transfer_between", "make_table", "make_figure"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    reason = why_not()
    if reason:
        pytest.skip(f"no Slurm: {reason}")
    with Cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


def test_a_run_with_a_cancelled_job_and_a_killed_head(cluster, micro, tmp_path):
    workflow = Workflow(tmp_path, [MICRO])
    # This Slurm has no accounting, so that squeue has to tell what became of jobs.
    command = ("--profile", PROFILE, "--slurm-status-command", "squeue")
    command += ("--slurm-init-seconds-before-status-checks", 2, "--latency-wait", 10)

    def running(rule, wildcards=""):
        jobs = (job for job in cluster.jobs() if (job.rule, job.state) == (rule, "RUNNING"))
        return [job for job in jobs if wildcards in ("", job.wildcards)]

    def trained():
        return running("train_network", "moon_all")

    run = Running(workflow, *command)
    assert run.wait_until(trained), run.said
    cancelled = trained()[0]
    cluster.cancel(cancelled)
    assert run.wait_until(lambda: [job for job in trained() if job.number != cancelled.number]), run.said
    second = next(job for job in trained() if job.number != cancelled.number)
    assert (second.memory, second.minutes) == (2 * cancelled.memory, 2 * cancelled.minutes)

    assert run.wait_until(lambda: running("attack_shard")), run.said
    run.signal(signal.SIGKILL)
    left_behind = [job for job in cluster.jobs() if job.state in ("RUNNING", "PENDING")]
    assert left_behind, "the head was killed, its jobs were not"

    again = Running(workflow, *command)
    assert again.wait() == 0, again.said
    assert_same_results(workflow, micro)

    jobs = cluster.jobs()
    rules = {job.rule for job in jobs if job.state == "COMPLETED"}
    assert rules == set(micro.rules()) - {"all"} - OF_OTHERS
    # Which jobs are ready together, and so make an array, depends on the moments; shards to attack always are.
    assert {"attack_shard"} <= {job.rule for job in jobs if job.in_array} <= ARRAYS
    assert [job.number for job in jobs if job.state == "CANCELLED"] == [cancelled.number]


def test_the_profile_names_rules_that_exist(micro):
    profile = yaml.safe_load((PROFILE / "profile.yaml").read_text())
    assert set(profile["slurm-array-jobs"].split(",")) == ARRAYS
    assert set(micro.rules()) >= ARRAYS
