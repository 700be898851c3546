"""What groups of jobs save on a cluster: small jobs, alone and so many to a submission, on a Slurm of four nodes.

Run it as root, from the repository's root, on a machine that does nothing else and has what the tests' Slurm needs:

    python benchmarks/groups.py

It brings that Slurm up (tests/robustness/cluster.py), and draws samples of one dataset, so that what is measured lies
around a job. Prints a table in Markdown.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests/robustness"), str(ROOT / "tests/workflow"), str(ROOT / "scripts")]

from cluster import Cluster, why_not  # noqa: E402
from faults import MICRO  # noqa: E402
from running import Workflow, copy_of  # noqa: E402

from faceflip.io import paths  # noqa: E402


def begun(folder, jobs):
    """Return a run with a packed dataset and so many samples to draw, and their files."""
    folder.mkdir()
    overlay = folder / "samples.yaml"
    names = [f"sample{number}" for number in range(jobs)]
    overlay.write_text(yaml.safe_dump({"samples": {name: {"images": 4} for name in names}}))
    run = Workflow(folder, [MICRO, overlay])
    run(paths.DATASET, "--cores", os.cpu_count())
    return run, [paths.SAMPLE.of(sample=name) for name in names]


def busy():
    """Return how long the machine's cores have worked, in seconds."""
    times = psutil.cpu_times()
    return times.user + times.system


def measured(run, *arguments):
    """Return seconds by the clock, and of processor time of the machine: of the head, Slurm and the jobs."""
    command, environment = run.command(*arguments)
    start, before = time.monotonic(), busy()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:])
    return time.monotonic() - start, busy() - before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--together", type=int, nargs="+", default=[1, 20], help="jobs of a submission")
    arguments = parser.parse_args()
    if reason := why_not():
        raise SystemExit(f"no Slurm: {reason}")
    print("| jobs a submission | submissions | wall, s | CPU, s | a job, CPU s |\n| ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as place, Cluster(place) as cluster:
        first, samples = begun(Path(place, "first"), arguments.jobs)
        for together in arguments.together:
            run = copy_of(first, Path(place, f"by-{together}"))
            command = ["--profile", ROOT / "workflow/profiles/slurm", "--resources", "mem_mb=1000"]
            # Two jobs of a group at a time, as a node has two cores; minutes add up, and the partition has an hour.
            command += ["--set-resources", "draw_sample:runtime=1"]
            if together > 1:
                command += ["--groups", "draw_sample=samples", "--group-components", f"samples={together}"]
            before = len(cluster.jobs())
            wall, cpu = measured(run, *samples, *command)
            submissions = len(cluster.jobs()) - before
            print(f"| {together} | {submissions} | {wall:.0f} | {cpu:.0f} | {cpu / len(samples):.2f} |", flush=True)


if __name__ == "__main__":
    main()
