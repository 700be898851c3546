"""The LaTeX tables are set by a real LaTeX, each on pages of its own."""

import shutil
import subprocess

import pytest

from faceflip.data.celeba import ATTRIBUTES
from faceflip.workflow.products import TABLES

pytestmark = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no pdflatex here (Debian: texlive-latex-recommended)"
)

# Wide tables are made to fit as an author would: smaller, and turned.
DOCUMENT = r"""\documentclass{article}
\usepackage[a3paper,margin=10mm]{geometry}
\usepackage[T1]{fontenc}
\usepackage{booktabs,longtable}
\begin{document}
\tiny\setlength{\tabcolsep}{1pt}
\input{%s.tex}
\end{document}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from specimen import make_tables, specimen

    folder = tmp_path_factory.mktemp("latex")
    made = specimen(seed=3, attributes=ATTRIBUTES[:3], sample=10, test=12)
    make_tables(TABLES, made.write(folder), made.run, folder)
    return folder


@pytest.mark.parametrize("name", TABLES)
def test_latex_sets_every_table(folder, name):
    (folder / f"page-{name}.tex").write_text(DOCUMENT % name)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"page-{name}.tex"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert result.returncode == 0, result.stdout[-1500:]
    assert (folder / f"page-{name}.pdf").stat().st_size > 1000
    log = (folder / f"page-{name}.log").read_text(errors="replace")
    for fault in ("Missing character", "Overfull", "Float too large"):
        assert fault not in log
