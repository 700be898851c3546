"""What the workflow itself costs: dry runs of 1,000 to 50,000 jobs, the overhead of a job, long jobs, looks at a run.

Run it from the repository's root on a machine that does nothing else:

    python benchmarks/workflow.py graph              # dry runs: time, and memory of the head process
    python benchmarks/workflow.py job                # what a job costs beside its work
    python benchmarks/workflow.py long               # memory of one attack and one scoring of 10,000 attempts
    python benchmarks/workflow.py status             # `faceflip status` of half a run of as many jobs as of the graphs

Each prints a table in Markdown. A dry run makes the same graph as a run, and prints more.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]

JOBS = (1_000, 10_000, 50_000)
"""About how many jobs the graphs have."""

PARTS = {
    "all": (),
    "a tenth of the attempts": ("results/attempts.parquet", "--batch", "collect_attempts=1/10"),
    "one experiment": ("results/attacks/paper/euclidean/converged/ffa-line.h5",),
}
"""What of a run a head process is asked for."""


def snakemake(directory, *arguments, overlay=None, preset=None):
    """Return the command of a run in a directory, with a configuration on top of the default."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory)]
    files = [str(ROOT / preset)] if preset else []
    if overlay:
        path = Path(directory) / "overlay.yaml"
        path.write_text(yaml.safe_dump(overlay))
        files.append(str(path))
    return [*command, *map(str, arguments), *(["--configfile", *files] if files else [])]


def measured(command):
    """Run a command; return wall seconds, CPU seconds, peak memory (MB) and output."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(output[-3000:])
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output


def jobs_of(output):
    return next(int(line.split()[1]) for line in output.splitlines() if line.startswith("total "))


def overlay_of(jobs):
    """Return what makes the paper's preset a run of about so many jobs."""
    # 14 experiments of 40 attributes and 1,000 images; a shard is an attack and a score, 4 of 14 a transfer, too.
    shards = jobs / (14 * 2 + 4)
    return {"compute": {"shard_size": max(1, round(40_000 / shards))}}


def graph(counts):
    print("| run of about | asked for | jobs | dry run, s | CPU, s | a job, ms | memory, MB |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for wanted, (part, arguments) in product(counts, PARTS.items()):
        with tempfile.TemporaryDirectory() as directory:
            arguments = (*arguments, "--dry-run", "--quiet", "rules")
            preset = "workflow/presets/paper.yaml"
            command = snakemake(directory, *arguments, overlay=overlay_of(wanted), preset=preset)
            wall, cpu, memory, output = measured(command)
        jobs = jobs_of(output)
        costs = f"{wall:.1f} | {cpu:.1f} | {1000 * cpu / jobs:.2f} | {memory:,.0f}"
        print(f"| {wanted:,} | {part} | {jobs:,} | {costs} |", flush=True)


def job():
    """Compare the time of a small run on one core with that of its jobs, and a job's work with its start."""
    with tempfile.TemporaryDirectory() as directory:
        micro = yaml.safe_load((ROOT / "tests/robustness/micro.yaml").read_text())
        wall, cpu, memory, output = measured(snakemake(directory, "--cores", 1, overlay=micro))
        jobs = jobs_of(output)
        seconds = {}
        for folder in sorted((Path(directory) / "results/benchmarks").iterdir()):
            files = [folder] if folder.is_file() else sorted(folder.rglob("*.tsv"))
            seconds[folder.stem] = sorted(float(file.read_text().splitlines()[1].split("\t")[0]) for file in files)
    inside = sum(map(sum, seconds.values()))
    print(f"{jobs} jobs on one core in {wall:.0f} s ({cpu:.0f} s CPU), largest process {memory:,.0f} MB")
    print(f"in jobs {inside:.0f} s, around them {wall - inside:.0f} s: {(wall - inside) / jobs:.2f} s a job")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    for what in ("faceflip.analysis.run", "faceflip.stages.attack"):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {what}"], env=environment, check=True)
        print(f"Python's start with {what}: {time.perf_counter() - start:.1f} s")
    print("\n| rule | jobs | a job, s (median) |\n| --- | ---: | ---: |")
    for rule, values in seconds.items():
        print(f"| {rule} | {len(values)} | {values[len(values) // 2]:.1f} |")


def long(attempts):
    print(f"| job of {attempts:,} attempts | seconds | memory at 1/4, MB | at 1/2 | at the end | lines of log |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    script = ROOT / "tests/robustness/long_job.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    with tempfile.TemporaryDirectory() as folder:
        for what in ("attack", "score"):
            command = [sys.executable, script, what, folder, str(attempts)]
            result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
            measures = json.loads(result.stdout.splitlines()[-1])
            memory = " | ".join(f"{each:,.0f}" for each in measures["memory"])
            lines = len((result.stdout + result.stderr).splitlines())
            print(f"| {what} | {measures['seconds']:.0f} | {memory} | {lines} |", flush=True)


def status(counts):
    """Look at directories in which the files of every second job are, with what each took."""
    print("| jobs | files | seconds | CPU, s | memory, MB |\n| ---: | ---: | ---: | ---: | ---: |")
    sys.path.insert(0, str(ROOT / "scripts"))
    from faceflip.workflow.job_states import tracked
    from faceflip.workflow.plan import Plan
    from faceflip.workflow.settings import Settings, read_config

    preset = ROOT / "workflow/presets/paper.yaml"
    for wanted in (None, *counts):
        with tempfile.TemporaryDirectory() as directory:
            overlay = Path(directory, "overlay.yaml")
            overlay.write_text(yaml.safe_dump(overlay_of(wanted) if wanted else {}))
            jobs, files = tracked(Plan(Settings.of(read_config(ROOT, [preset, overlay]))), None), 0
            for job in jobs[::2]:
                for file in (*job.outputs, job.benchmark):
                    path = Path(directory, file)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text("s\th:m:s\tmax_rss\n10.0\t0:00:10\t100.0\n")
                    files += 1
            code = f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r}); from faceflip.cli import main; main()"
            command = [sys.executable, "-c", code, "status", "--directory", directory]
            command += ["--configfile", preset, "--configfile", overlay]
            wall, cpu, memory, _ = measured(list(map(str, command)))
        print(f"| {len(jobs):,} | {files:,} | {wall:.2f} | {cpu:.2f} | {memory:,.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["graph", "job", "long", "status"])
    parser.add_argument("--jobs", type=int, nargs="+", default=JOBS, help="sizes of the graphs")
    parser.add_argument("--attempts", type=int, default=10_000, help="of the long jobs")
    arguments = parser.parse_args()
    if arguments.what == "graph":
        graph(arguments.jobs)
    elif arguments.what == "job":
        job()
    elif arguments.what == "status":
        status(arguments.jobs)
    else:
        long(arguments.attempts)


if __name__ == "__main__":
    main()
