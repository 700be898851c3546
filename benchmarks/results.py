"""Time and memory of all tables and figures at the paper's scale: 560,000 attempts, made up, on one core.

The inputs are written by another process, so that their making does not count. Every table and figure is then made by
one process, one after the other. Of the figure of examples (Fig. 1) only the choice of its images counts: its pictures
come from the stores.

    python benchmarks/results.py [--sample 1000] [--test 19962] [--folder /tmp/results-benchmark]
"""

import argparse
import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("scripts", "tools")]


def write_inputs(folder: Path, sample: int, test: int) -> dict[str, Path]:
    from specimen import specimen

    return specimen(sample=sample, test=test, dataset="celeba").write(folder)


def make_everything(folder: Path, paths: dict[str, Path]) -> None:
    import pyarrow as pa

    from faceflip.analysis.examples import choose_examples
    from faceflip.analysis.frames import read_attempts, read_parquet
    from faceflip.analysis.make import make_table
    from faceflip.analysis.matrices import TRANSFERS
    from faceflip.analysis.run import RunDescription
    from faceflip.figures.make import make_figure
    from faceflip.report.gallery import choose
    from faceflip.workflow.products import FIGURES, TABLES

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    run = RunDescription.from_json(paths["run"])
    start = last = time.perf_counter(), time.process_time()

    def say(what: str) -> None:
        nonlocal last
        now = time.perf_counter(), time.process_time()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        took, worked = (there - here for there, here in zip(now, last, strict=True))
        print(f"{what:28}{took:8.1f} s {worked:8.1f} s of a core   at most {memory:7,.0f} MB so far", flush=True)
        last = now

    for name, product in TABLES.items():
        outputs = {kind: folder / f"{name}.{kind}" for kind in ("csv", "md", "tex", "html")}
        make_table(product, paths, run, outputs)
        paths[name] = outputs["csv"]
        say(f"table {name}")
    for name, product in FIGURES.items():
        if name == "examples":
            attempts = read_attempts(paths["attempts"], run, "file_name", "score_before")
            choose_examples(attempts, read_parquet(paths["transfers"], [*TRANSFERS, "score_after"]), run)
            del attempts
        else:
            forms = {"pdf": "pdf", "png": "png", "dark": "dark.png", "caption": "txt"}
            outputs = {form: folder / f"{name}.{suffix}" for form, suffix in forms.items()}
            make_figure(product, paths, run, outputs)
        say(f"figure {name}")
    choose(read_attempts(paths["attempts"], run, "file_name", "score_before", "epsilon", "linf"), run)
    say("choice of the gallery")
    took, worked = time.perf_counter() - start[0], time.process_time() - start[1]
    print(f"{'all':28}{took:8.1f} s {worked:8.1f} s of a core   (wanted: under 60 s and 2,000 MB)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=1000)
    parser.add_argument("--test", type=int, default=19_962)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        # One process each, which ends and gives its memory back.
        with processes.Pool(1) as pool:
            paths = pool.apply(write_inputs, (folder, options.sample, options.test))
        with processes.Pool(1) as pool:
            pool.apply(make_everything, (folder, paths))


if __name__ == "__main__":
    main()
