"""What the documentation shows of `make demo`: the answers in docs/questions.md, and the figure of README.md.

Run ``python tools/answers.py`` in the project's folder, on a finished run of the embedded default, after raising a
stage's number: the page says of which stages' results it is, and the tests compare.
"""

import io
import os
import re
import shutil
import textwrap
from contextlib import redirect_stdout
from pathlib import Path

from faceflip.errors import UserError
from faceflip.io.files import write_text
from faceflip.workflow.versions import VERSIONS

PAGE = Path("docs/questions.md")
FIGURES = {Path("results/figures/examples.png"): Path("docs/images/figure1.png")}

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


def main() -> None:
    """Write the page and copy the figures."""
    if missing := [str(path) for path in (*FIGURES, Path("results/attempts.parquet")) if not path.exists()]:
        raise SystemExit(f"{', '.join(missing)}: missing; run make demo first")
    os.environ["COLUMNS"] = "120"
    write_text(PAGE, page_text(PAGE.read_text(encoding="utf-8")))
    for source, target in FIGURES.items():
        shutil.copyfile(source, target)


if __name__ == "__main__":
    main()
