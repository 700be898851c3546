"""How far a run is, from directories that were made up: states of jobs, time left, GPU hours."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_run import BEGAN, MICRO, MadeUpRun, plan_of, record_of
from running import ROOT
from snakemake.logging import DefaultFormatter
from snakemake.persistence.file import FilePersistence

from faceflip.errors import UserError
from faceflip.io.files import last_lines
from faceflip.io.paths import RUN_RECORD
from faceflip.runtime import processes
from faceflip.runtime.processes import birth_of, lives
from faceflip.runtime.progress import duration, time_left_in
from faceflip.workflow.job_states import JobState, JobStatus, TrackedJob, states, tracked
from faceflip.workflow.jobs import jobs_from_nothing, rules_of
from faceflip.workflow.run_record import read_record, record_end, record_start
from faceflip.workflow.run_status import RunState, look, state_of
from faceflip.workflow.snakemake_traces import Mark, errors_in, marks, output_of
from faceflip.workflow.time_left import Durations, at_a_time, average_at_a_time, gpu_seconds, stages_of

PAPER = ROOT / "workflow/presets/paper.yaml"
FUTURE = (ROOT / "workflow/presets/future-work.yaml", ROOT / "workflow/presets/future-work-drawn.yaml")
JOBS = tracked(plan_of(MICRO), None)


@pytest.mark.parametrize("files", [(), (MICRO,), (PAPER,), FUTURE], ids=["default", "micro", "paper", "future"])
@pytest.mark.parametrize("together", [1, 3, 8])
def test_all_jobs_are_tracked(files, together, tmp_path):
    """As many of each rule as Snakemake has where nothing is there, each with files of its own."""
    plan = plan_of(*files, networks_per_job=together)
    with chdir(tmp_path):
        jobs = tracked(plan, None)
    assert {**Counter(job.rule for job in jobs), "all": 1} == jobs_from_nothing(plan)
    files = [file for job in jobs for file in (*job.outputs, job.log, job.benchmark)]
    assert len(files) == len(set(files))
    alone = {file for name, rule in rules_of(plan).items() for file in rule.files}
    assert {output for job in jobs for output in job.outputs} == alone


class TestBundles:
    """Which networks one job trains, in every part of a run's life."""

    PLAN = plan_of(networks_per_job=4)

    def rules(self, record=None):
        found = Counter(job.rule for job in tracked(self.PLAN, record) if job.stage == "train_network")
        return {rule.removeprefix("train_network"): count for rule, count in found.items()}

    WHOLE = {"_euclidean_1": 1, "_euclidean_2": 1, "_softmax_1": 1, "_softmax_2": 1, "": 1}  # noqa: RUF012

    def finish(self, directory, job, benchmark):
        made_up = MadeUpRun(directory)
        for output in job.outputs:
            made_up.write(output)
        if benchmark:
            made_up.write(job.benchmark)

    def test_before_and_after_one_is_done(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert self.rules() == self.WHOLE
        first = next(job for job in tracked(self.PLAN, None) if job.rule == "train_network_euclidean_1")
        assert (first.members, len(first.outputs)) == (4, 4 * 3)
        record = record_of(jobs={"train_network_euclidean_1": [first.log]})
        self.finish(tmp_path, first, benchmark=False)
        assert self.rules(record) == self.WHOLE, "the run says so"

    def test_one_that_an_earlier_run_did_and_networks_that_were_trained_alone(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        first, second = (
            next(job for job in tracked(self.PLAN, None) if job.rule == f"train_network_euclidean_{number}")
            for number in (1, 2)
        )
        self.finish(tmp_path, first, benchmark=True)
        assert self.rules() == self.WHOLE
        self.finish(tmp_path, second, benchmark=False)
        assert self.rules() == {**{k: v for k, v in self.WHOLE.items() if k != "_euclidean_2"}, "": 5}

    def test_one_of_a_job_that_is_made_anew(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        first = next(job for job in tracked(self.PLAN, None) if job.rule == "train_network_euclidean_1")
        self.finish(tmp_path, first, benchmark=True)
        rule = rules_of(self.PLAN)["train_network"]
        record = record_of(jobs={"train_network": [rule.log.of(**rule.jobs[0])]})
        assert self.rules(record)[""] == 5


@settings(max_examples=15)
@given(st.lists(st.sampled_from(list(JobState)), min_size=len(JOBS), max_size=len(JOBS)), st.booleans())
def test_states(wanted, at_work):
    """Each job is found in the state whose files it has left; what says `running` is stopped where no run is going."""
    with tempfile.TemporaryDirectory() as directory, chdir(directory):
        record = record_of()
        made_up = MadeUpRun(directory, record)
        for job, state in zip(JOBS, wanted, strict=True):
            made_up.put(job, state)
        going = {JobState.STOPPED: JobState.RUNNING}
        gone = {JobState.RUNNING: JobState.STOPPED, JobState.QUEUED: JobState.STOPPED}
        expected = [(going if at_work else gone).get(state, state) for state in wanted]
        found = states(JOBS, record, at_work)
        assert [each.state for each in found] == expected
        assert [each.seconds for each in found] == [10.0 if state is JobState.DONE else None for state in expected]


class TestStatesOfOneJob:
    """Cases in which files alone would mislead."""

    JOB = JOBS[0]

    @pytest.fixture
    def made_up(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        return MadeUpRun(tmp_path)

    def state(self, record=None, at_work=True, **more):
        return states([self.JOB], record or record_of(), at_work, **more)[0].state

    def test_to_be_made_anew(self, made_up):
        """Its files are there, of an earlier configuration, until it begins."""
        for output in self.JOB.outputs:
            made_up.write(output, BEGAN - 1000)
        assert self.state() == "left"
        assert self.state(record_of(jobs={})) == "done", "this run has nothing to do with it"
        assert self.state(succeeded=True) == "done"
        assert states([self.JOB], None, at_work=False)[0].state == "done", "nothing says otherwise"

    def test_a_part_of_its_outputs(self, made_up):
        for output in self.JOB.outputs[1:]:
            made_up.write(output)
        assert self.state() == "left"

    def test_the_mark_of_an_earlier_run(self, made_up):
        for output in self.JOB.outputs:
            made_up.write(output, BEGAN - 1000)
        made_up.mark(self.JOB.outputs[0], BEGAN - 1000)
        assert self.state() == "left"
        assert self.state(at_work=False) == "stopped"

    def test_whole_files_that_are_still_marked(self, made_up):
        made_up.put(self.JOB, JobState.DONE)
        made_up.mark(self.JOB.outputs[0])
        assert self.state() == "running"

    def test_a_job_of_a_cluster_that_has_begun(self, made_up):
        made_up.put(self.JOB, JobState.QUEUED)
        assert self.state() == "queued"
        made_up.write(self.JOB.log, BEGAN + 61)
        assert self.state() == "running"

    def test_a_failure_that_only_snakemake_knows_of(self, made_up):
        """The process was killed before it had a log."""
        record = record_of()
        made_up.write(
            record.log, content=f"Error in rule x:\n    message: out of memory\n    log: {self.JOB.log}, b.log\n"
        )
        (found,) = states([self.JOB], record, at_work=True)
        assert (found.state, found.error.message, found.error.logs) == ("failed", "out of memory", ("b.log",))
        assert self.state(replace(record, jobs={})) == "left", "this run has nothing to do with it"

    def test_files_of_a_job_that_were_deleted_since(self, made_up):
        """It succeeded, as its benchmark says, or the whole run does."""
        made_up.write(self.JOB.log, BEGAN + 90)
        assert self.state() == "failed"
        assert self.state(succeeded=True) == "left"
        made_up.write(self.JOB.benchmark, BEGAN + 50)
        assert self.state() == "failed", "it is of an earlier time"
        made_up.write(self.JOB.benchmark, BEGAN + 91)
        assert self.state() == "left"

    def test_a_job_that_begins_while_others_are_looked_at(self, made_up, monkeypatch):
        """Its mark comes after the marks were read, and before its log is looked for."""
        made_up.put(self.JOB, JobState.RUNNING)
        read = iter([{}, {self.JOB.outputs[0]: Mark(BEGAN + 60, None)}])
        monkeypatch.setattr("faceflip.workflow.job_states.marks", lambda: next(read))
        assert self.state() == "running"

    def test_a_benchmark_that_cannot_be_read(self, made_up):
        made_up.put(self.JOB, JobState.DONE)
        made_up.write(self.JOB.benchmark)
        (found,) = states([self.JOB], record_of(), at_work=True)
        assert (found.state, found.seconds) == ("done", None)

    def test_a_folder_that_is_closed(self, made_up, monkeypatch):
        def closed(path):
            raise PermissionError(13, "Permission denied", path)

        monkeypatch.setattr(Path, "stat", closed)
        with pytest.raises(UserError, match=r"cannot be looked for \(Permission denied\); ask its owner"):
            self.state()


class TestTracesOfSnakemake:
    """Read as Snakemake writes them."""

    @given(st.text(min_size=1, max_size=900).filter(lambda text: "\0" not in text))
    @settings(max_examples=100)
    def test_names_of_marks(self, output):
        persistence = FilePersistence.__new__(FilePersistence)
        persistence._max_len = 255
        try:
            parts = persistence._record_path("", output).split("/")
        except UnicodeEncodeError:  # halves of characters, which no path has
            return
        assert output_of(tuple(parts)) == output

    def test_marks(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert marks() == {}
        made_up = MadeUpRun(tmp_path)
        long = f"results/{'x' * 200}/{'y' * 200}.pt"
        made_up.mark("results/a b.csv", 100)
        made_up.mark(long, 200, '"12_3"')
        made_up.write(".snakemake/incomplete/migration_underway")
        found = marks()
        assert found["results/a b.csv"] == Mark(100, None)
        assert found[long] == Mark(200, "12_3")

    @pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null"])
    def test_a_mark_that_is_being_written(self, tmp_path, monkeypatch, content):
        monkeypatch.chdir(tmp_path)
        MadeUpRun(tmp_path).write(".snakemake/incomplete/YQ==", 5, content)
        assert marks() == {"a": Mark(5, None)}

    def test_errors(self, tmp_path):
        """What Snakemake's own formatter makes of errors."""

        def told(rule, log, message=None):
            return DefaultFormatter().format_job_error(
                {
                    "rule_name": rule,
                    "msg": "said",
                    "rule_msg": message,
                    "jobid": 3,
                    "input": ["a.csv"],
                    "output": ["b.csv"],
                    "log": log,
                    "conda_env": None,
                    "shellcmd": None,
                    "aux": {"external_jobid": 17},
                }
            )

        log = tmp_path / "a.log"
        errors = [told("one", ["logs/one.log"]), told("two", ["logs/2.log", "/s/3.log"], "TIMEOUT: too long")]
        errors.append(told("none", []))
        log.write_text(
            "\n".join(["[date]", *errors, "Trying to restart job 3.", told("one", ["logs/one.log"], "again")])
        )
        found = errors_in(log)
        assert found.keys() == {"logs/one.log", "logs/2.log"}
        assert (found["logs/one.log"].message, found["logs/one.log"].logs) == ("again", ())
        assert (found["logs/2.log"].message, found["logs/2.log"].logs) == ("TIMEOUT: too long", ("/s/3.log",))
        assert errors_in(tmp_path / "none.log") == {}


class TestRecord:
    RULES = rules_of(plan_of(MICRO))

    @pytest.fixture(autouse=True)
    def _there(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    def workflow(self, local=True, **resources):
        resources = {"_cores": 2 if local else sys.maxsize, **resources}
        return SimpleNamespace(
            configfiles=["a.yaml"],
            local_exec=local,
            global_resources={name: SimpleNamespace(value=value) for name, value in resources.items()},
            logger_manager=SimpleNamespace(get_logfile=lambda: [str(Path(".snakemake/log/a.log").absolute())]),
        )

    def jobs(self, rule, number=None, threads=1, gpu=0):
        logs = [self.RULES[rule].log.of(**wildcards) for wildcards in self.RULES[rule].jobs][:number]
        return [
            SimpleNamespace(rule=SimpleNamespace(name=rule), log=[log], threads=threads, resources={"gpu": gpu})
            for log in logs
        ]

    def test_there_and_back(self):
        nothing = SimpleNamespace(rule=SimpleNamespace(name="all"), log=[])
        jobs = [*self.jobs("attack_shard", 2, gpu=1), *self.jobs("pack_dataset", threads=2), nothing]
        record_start(self.workflow(gpu=1), jobs, {"seed": 3}, self.RULES)
        record = read_record()
        assert record.config == {"seed": 3}
        assert record.log == ".snakemake/log/a.log"
        assert (record.cores, record.gpus) == (2, 1)
        assert record.jobs == {"attack_shard": [str(job.log[0]) for job in jobs[:2]], "pack_dataset": None}
        assert record.needs == {"attack_shard": (1, 1), "pack_dataset": (2, 0)}
        first, second, third = (job.log[0] for job in self.jobs("attack_shard", 3))
        assert [record.asks("attack_shard", log) for log in (first, second, third)] == [True, True, False]
        assert record.asks("pack_dataset", jobs[2].log[0])
        assert not record.asks("make_table", first)
        assert abs(record.began - Path(RUN_RECORD).stat().st_mtime) < 1
        assert state_of(record) is RunState.GOING
        record_end(succeeded=True)
        ended = read_record()
        assert ended == replace(record, ended=ended.ended, succeeded=True)
        assert state_of(ended) is RunState.ENDED
        assert state_of(replace(ended, succeeded=False)) is RunState.FAILED

    def test_what_earlier_runs_had_jobs_of(self):
        record_start(self.workflow(), self.jobs("attack_shard", gpu=1), {}, self.RULES)
        record_start(self.workflow(local=False), self.jobs("pack_dataset"), {}, self.RULES)
        record = read_record()
        assert record.needs == {"attack_shard": (1, 1), "pack_dataset": (1, 0)}
        assert record.jobs == {"pack_dataset": None}
        assert record.cores is None

    def test_the_record_of_another_run_stays(self):
        record_start(self.workflow(), [], {}, self.RULES)
        there = replace(read_record(), process=1)
        MadeUpRun(".", there)
        record_end(succeeded=True)
        assert read_record() == there

    def test_a_run_goes_on_without_its_record(self, capsys):
        Path(RUN_RECORD).mkdir(parents=True)
        record_start(self.workflow(), [], {}, self.RULES)
        record_end(succeeded=True)
        said = capsys.readouterr().err
        assert said.count("The run goes on; `faceflip status` will not know of it.") == 2

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 2}', "\0"])
    def test_a_record_that_cannot_be_read(self, content):
        MadeUpRun(".").write(RUN_RECORD, content=content)
        with pytest.raises(UserError, match="holds no results"):
            read_record()
        record_start(self.workflow(), [], {}, self.RULES)
        assert read_record().config == {}

    def test_none(self):
        assert read_record() is None
        assert state_of(None) is RunState.UNRECORDED

    def test_another_machine_and_a_process_that_is_gone(self):
        assert state_of(record_of(host="another")) is RunState.UNSEEN
        assert state_of(record_of(birth=record_of().birth + 1)) is RunState.STOPPED


class TestProcesses:
    def test_this_one(self):
        assert lives(os.getpid(), birth_of(os.getpid()))
        assert lives(os.getpid(), None)
        assert not lives(os.getpid(), birth_of(os.getpid()) + 1), "another one had the number before"

    def test_one_that_ends(self):
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            born = birth_of(child.pid)
            assert lives(child.pid, born)
            child.kill()
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            assert not lives(child.pid, born), "ended, and not waited for"
        assert not lives(child.pid, born)
        assert birth_of(child.pid) is None

    def test_any_name(self, tmp_path, monkeypatch):
        monkeypatch.setattr(processes, "PROCESSES", tmp_path)
        MadeUpRun(tmp_path).write("7/stat", content=f"7 (a) S 1 (b) S {' '.join(map(str, range(4, 30)))}")
        assert birth_of(7) == 22

    def test_a_system_that_does_not_tell(self, tmp_path, monkeypatch):
        monkeypatch.setattr(processes, "PROCESSES", tmp_path)
        assert birth_of(os.getpid()) is None
        assert lives(os.getpid(), 5)


def job(stage="attack_shard", work=1, log="", **wildcards):
    return TrackedJob(stage, stage, wildcards, (), log or f"{stage}{wildcards}", "", work=work)


class TestTimeLeft:
    def test_jobs_are_like_those_of_their_kind(self):
        shard = {"attack": "ffa", "network": "moon"}
        measured = [
            (job(**shard, shard="000"), 10.0),
            (job(**shard, shard="001"), 30.0),
            (job(attack="ffa", network="softmax"), 100.0),
            (job(attack="fgs", network="moon"), 1000.0),
            (job("train_network", network="moon"), 7.0),
        ]
        durations = Durations(measured)
        assert durations.of(job(**shard, shard="002")) == 20
        assert durations.of(job(attack="ffa", network="third")) == 30, "of any network, the median of three"
        assert durations.of(job(attack="new", network="moon")) == statistics.median([10, 30, 1000])
        assert durations.of(job(attack="new", network="new")) == statistics.median([10, 30, 100, 1000])
        assert durations.of(job("train_network", network="new")) == 7
        assert durations.of(job("make_table")) is None

    def test_several_networks_and_epochs_count_as_many(self):
        work = {each.log: each.work for each in tracked(plan_of(networks_per_job=4), None)}
        assert work["logs/train_network/euclidean/bundles/1.log"] == 4 * 5
        assert work["logs/train_network/moon/all.log"] == 14
        assert work["logs/pack_dataset.log"] == 1
        durations = Durations([(job("train_network", 4, network="softmax"), 40.0)])
        assert durations.of(job("train_network", network="softmax")) == 10
        assert durations.of(job("train_network", 3, network="other")) == 30

    def test_what_running_jobs_expect_stands_in(self):
        done, running = (job("train_network", network="moon"), 50.0), (job("train_network", network="softmax"), 20.0)
        durations = Durations([done], [running])
        assert durations.of(job("train_network", network="softmax")) == 20, "nearer than another network that is done"
        assert durations.of(job("train_network", network="moon")) == 50
        assert durations.of(job("train_network", network="new")) == 50

    @given(st.floats(0, 1e6))
    def test_what_a_line_of_progress_says(self, seconds):
        line = f"train moon/all: 3 of 7 images (43%), 170 images/s, {duration(seconds)} left, epoch 4, loss 0.5"
        assert time_left_in(line) == pytest.approx(seconds, abs=0.5 if seconds < 120 else 30)

    @pytest.mark.parametrize("line", ["", "7 of 7 images (100%), 3 images/s in 3 s", "nothing left", "3 h left"])
    def test_lines_that_do_not_say(self, line):
        assert time_left_in(line) is None

    @pytest.mark.parametrize(
        ("threads", "gpus", "cores", "has", "expected"),
        [
            (1, 0, 8, None, 8),
            (3, 0, 8, 2, 2),
            (16, 0, 8, None, 1),
            (1, 1, 8, 2, 2),
            (1, 1, 8, None, 8),
            (1, 2, 8, 1, 1),
        ],
    )
    def test_as_many_at_a_time_as_cores_and_gpus_allow(self, threads, gpus, cores, has, expected):
        record = record_of(cores=cores, gpus=has, needs={"attack_shard": (threads, gpus)})
        assert at_a_time("attack_shard", record, 3.5) == expected

    def test_as_many_at_a_time_as_so_far(self):
        for record in (None, record_of(cores=None), record_of(needs={})):
            assert at_a_time("attack_shard", record, 3.5) == 3.5
        jobs = [
            JobStatus(job(), JobState.DONE, True, seconds=100.0),
            JobStatus(job(), JobState.DONE, False, seconds=1000.0),
            JobStatus(job(), JobState.RUNNING, True, since=160.0),
            JobStatus(job(), JobState.QUEUED, True, since=0.0),
        ]
        assert average_at_a_time(jobs, 200.0, 130.0) == 140 / 70
        assert average_at_a_time(jobs, 130.0, 130.0) == 1
        assert average_at_a_time([], 200.0, 100.0) == 1

    def test_stages(self):
        """Two cores: 10 s a shard, one runs for 4 s, one says 3 s, three wait; nothing is known of tables."""
        record = record_of(needs={"attack_shard": (1, 0)}, began=0.0)
        jobs = [
            JobStatus(job(shard="0"), JobState.DONE, True, seconds=10.0),
            JobStatus(job(shard="1"), JobState.RUNNING, True, since=96.0),
            JobStatus(job(shard="2", log="told"), JobState.RUNNING, True, since=50.0),
            *(JobStatus(job(shard=str(number)), JobState.LEFT, True) for number in (3, 4)),
            JobStatus(job(shard="5"), JobState.FAILED, True),
            JobStatus(job(shard="6"), JobState.LEFT, False),
            JobStatus(job("make_table"), JobState.LEFT, True),
        ]
        attacks, tables = stages_of(jobs, record, 100.0, {"told": 3.0}, of_this_run=True)
        assert attacks.jobs == {"done": 1, "running": 2, "left": 3, "failed": 1}
        assert (attacks.median, attacks.seconds_left, attacks.unforeseen) == (10, (6 + 3 + 3 * 10) / 2, 0)
        assert (tables.median, tables.seconds_left, tables.unforeseen) == (None, 0, 1)
        everything, _ = stages_of(jobs, record, 100.0, {"told": 3.0}, of_this_run=False)
        assert everything.seconds_left == (6 + 3 + 4 * 10) / 2

    def test_no_stage_is_over_before_its_longest_job(self):
        jobs = [
            JobStatus(job(attack="a"), JobState.DONE, True, seconds=100.0),
            JobStatus(job(attack="b"), JobState.DONE, True, seconds=1.0),
            *(JobStatus(job(attack=name), JobState.LEFT, True) for name in "ab"),
        ]
        record = record_of(needs={"attack_shard": (1, 0)})
        (stage,) = stages_of(jobs, record, BEGAN, {}, of_this_run=True)
        assert stage.seconds_left == 100

    def test_gpu_hours(self):
        record = record_of(needs={"attack_shard": (1, 1), "make_table": (1, 0), "two": (1, 2)})
        jobs = [
            JobStatus(job(), JobState.DONE, True, seconds=100.0),
            JobStatus(job("make_table"), JobState.DONE, True, seconds=7.0),
            JobStatus(job("two"), JobState.DONE, False, seconds=20.0),
            JobStatus(job(), JobState.RUNNING, True, since=990.0),
            JobStatus(job(), JobState.QUEUED, True, since=990.0),
            JobStatus(job(), JobState.DONE, True),
            JobStatus(job("unknown"), JobState.DONE, False, seconds=3.0),
        ]
        assert gpu_seconds(jobs, record, 1, 1000.0) == (100 + 2 * 20 + 10, 2)
        assert gpu_seconds(jobs, record, 4, 1000.0) == (150 / 4, 2)


@pytest.mark.parametrize("size", [10, 100, 65_536, 200_000])
def test_last_lines(tmp_path, size):
    path = tmp_path / "a.log"
    lines = [f"line {number} ä" for number in range(size // 10)]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert last_lines(path, 3) == lines[-3:]
    assert last_lines(path, 0) == []
    assert last_lines(path, 3, most=5)[-1].endswith("ä")
    path.write_bytes(b"\xff\r\nwhole\n")
    assert last_lines(path, 2) == ["\ufffd", "whole"]
    assert last_lines(tmp_path / "none", 3) == []


def test_progress_of_a_running_job_counts(tmp_path, monkeypatch):
    """A training that says how long it will take is the measure of all, before the first has ended."""
    monkeypatch.chdir(tmp_path)
    made_up = MadeUpRun(tmp_path, record_of(began=0.0))
    training = [each for each in JOBS if each.rule == "train_network"]
    now = 10_000.0
    monkeypatch.setattr("time.time", lambda: now)
    made_up.mark(training[0].outputs[0], now - 60)
    made_up.write(training[0].log, now - 10, "train a: 1 of 2 images (50%), 1 images/s, 70 s left, epoch 1\n")
    status = look(plan_of(MICRO), read_record(), 3)
    stage = next(stage for stage in status.stages if stage.name == "train_network")
    assert (stage.unforeseen, stage.median) == (0, None)
    assert stage.seconds_left == (60 + 120 + 120) / 2
    assert status.lines[training[0].log] == ["train a: 1 of 2 images (50%), 1 images/s, 70 s left, epoch 1"]
    assert status.last_sign == now - 10
