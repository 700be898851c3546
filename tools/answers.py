"""What the documentation shows of `make demo`: answers in docs/guides/questions.md, table of README.md, figures.

Run ``python tools/answers.py`` in the project's folder, on a finished run of the embedded default, after raising a
stage's number: the page says of which stages' results it is, and the tests compare.
"""

import io
import os
import re
import shutil
import textwrap
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import pandas as pd
from PIL import Image
from tabulate import tabulate

from faceflip.analysis.frames import adversarial, read_attempts, read_csv
from faceflip.analysis.run import RunDescription
from faceflip.errors import UserError
from faceflip.io.files import write_text
from faceflip.workflow.versions import VERSIONS

PAGE, README = Path("docs/guides/questions.md"), Path("README.md")
IMAGES = Path("docs/images")
FIGURES = {Path("results/figures/examples.png"): IMAGES / "figure1.png"}
CHARTS = {Path(f"results/figures/{name}.png"): IMAGES / f"{name}.png" for name in ("classification_error", "success")}
"""Figures of few colours, which are kept with a palette of these: a third of the bytes."""
STRIPS = [
    Path(f"results/gallery/{name}.png")
    for name in (
        *("moon~ffa-line~Smiling~flipped", "moon~ffa-line~Eyeglasses~flipped"),
        *("softmax~ffa-iterative~Male~flipped", "euclidean~ffa-line~Wearing_Lipstick~corrected"),
    )
]
"""What docs/images/gallery.png shows of the gallery, two beside each other."""

STAGES = re.compile(r"<!-- stages: (.*?) -->", re.DOTALL)
_ANSWERED = re.compile(r"^```python\n(?P<snippet>.*?)^```\n(?:\n```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)


def stages() -> str:
    """Return the numbers of all stages, as the page has them."""
    return textwrap.fill(", ".join(f"{name} {number}" for name, number in VERSIONS.items()), 100)


def page_text(page: str) -> str:
    """Return a page with every snippet run in order, in this folder, and what it prints behind it.

    Raises:
        UserError: The page does not say of which stages it is.
    """
    if len(STAGES.findall(page)) != 1:
        raise UserError(f"{PAGE}: expected <!-- stages: ... --> once")
    variables: dict[str, object] = {}

    def answered(match: re.Match) -> str:
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(match["snippet"], variables)
        lines = [line.rstrip() for line in printed.getvalue().splitlines()]
        answer = "\n```text\n{}\n```\n".format("\n".join(lines)) if lines else ""
        return f"```python\n{match['snippet']}```\n{answer}"

    return STAGES.sub(lambda _: f"<!-- stages: {stages()} -->", _ANSWERED.sub(answered, page))


TABLE = re.compile(r"(<!-- results of the demo -->\n).*?(<!-- end -->)", re.DOTALL)
ATTACKS = ("fgs-line", "fgs-iterative", "ffa-line", "ffa-iterative")


def results_table(results: Path) -> str:
    """Return what a finished run found, a row a network, as a Markdown table: errors, and flips by the paper's attacks.

    Flips are shares of the correctly classified that are flipped with a PASS of at least the run's threshold; the last
    column is of the misclassified, and of all attacks together.
    """
    run = RunDescription.from_json(results / "run.json")
    attempts = read_attempts(results / "attempts.parquet", run)
    errors = read_csv(results / "tables/classification_error.csv").set_index(["method", "attribute"])["error"]
    mean = {method: errors.loc[[(method, name) for name in run.attacked]].mean() for method in errors.index.unique(0)}
    hits = attempts.assign(hit=adversarial(attempts, run.threshold))

    def share(of: pd.DataFrame) -> str:
        return f"{of['hit'].mean():.0%}" if len(of) else ""

    rows = []
    for network in run.networks:
        own = hits[(hits["network"] == network.name) & (hits["checkpoint"] == "converged")]
        flips = [share(own[own["correct"] & (own["attack"] == attack)]) for attack in ATTACKS]
        rows.append([network.title, f"{mean[network.name]:.1%}", *flips, share(own[~own["correct"]])])
    rows.append(["Trivial: the more frequent answer", f"{mean['trivial_train']:.1%}", *[""] * (len(ATTACKS) + 1)])
    heads = ["", "test error", *(f"flipped by {attack}" for attack in ATTACKS), "wrong, and corrected"]
    return tabulate(rows, heads, "pipe", colalign=("left", *["right"] * (len(heads) - 1)), disable_numparse=True)


def with_palette(image: Image.Image) -> Image.Image:
    """Return an image with its 256 most important colours."""
    return image.convert("RGB").quantize(256, dither=Image.Dither.NONE)


def side_by_side(strips: Sequence[Path], columns: int = 2, gap: int = 16) -> Image.Image:
    """Return pictures of one size in rows, on white."""
    images = [Image.open(path).convert("RGB") for path in strips]
    width, height = images[0].size
    rows = -(-len(images) // columns)
    whole = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white")
    for k, image in enumerate(images):
        whole.paste(image, (k % columns * (width + gap), k // columns * (height + gap)))
    return whole


def main() -> None:
    """Write the page, the table and the figures."""
    needed = (*FIGURES, *CHARTS, *STRIPS, Path("results/attempts.parquet"))
    if missing := [str(path) for path in needed if not path.exists()]:
        raise SystemExit(f"{', '.join(missing)}: missing; run make demo first")
    os.environ["COLUMNS"] = "120"
    write_text(PAGE, page_text(PAGE.read_text(encoding="utf-8")))
    table = results_table(Path("results"))
    write_text(
        README, TABLE.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", README.read_text(encoding="utf-8"))
    )
    for source, target in FIGURES.items():
        shutil.copyfile(source, target)
    for source, target in CHARTS.items():
        with_palette(Image.open(source)).save(target, optimize=True)
    side_by_side(STRIPS).save(IMAGES / "gallery.png", optimize=True)


if __name__ == "__main__":
    main()
