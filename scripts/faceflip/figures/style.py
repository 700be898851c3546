"""What all figures share: sizes, type, colours, the note on drawn faces, and files with the same bytes every time.

Figures are drawn at the width at which they are printed, a column or a page, and their type has its size there: none is
meant to be scaled down. As wide as a column are those whose panels have room in it; what shows forty attributes side by
side, or images, goes across the page.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from faceflip.analysis.run import RunDescription
from faceflip.catalogue import VERMILION
from faceflip.io.files import replacing

MM = 1 / 25.4
"""A millimetre in inches."""
PAGE = 174 * MM
"""Width in inches of figures across the page."""
COLUMN = 84 * MM
"""Width in inches of figures in a column."""
PAGE_HEIGHT = 231 * MM
"""Height in inches that figures of many panels do not exceed while their type has room, without the note."""
DPI = 300
SMALL, NORMAL = 6.0, 7.0
"""Type sizes in points."""

GREY, LIGHT = "#666666", "#D9D9D9"

NO_ATTACKS = "This run has no attacks on converged networks."
NOTE = "Synthetic faces, drawn by this project: not CelebA."
NOTE_HEIGHT = 3.5 * MM


@contextmanager
def drawing() -> Iterator[None]:
    """Draw and save within this: Matplotlib's defaults and this project's type, whatever the user has configured."""
    settings = {
        "font.family": "DejaVu Sans",
        "font.size": SMALL,
        "axes.titlesize": NORMAL,
        "axes.labelsize": SMALL,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "legend.fontsize": SMALL,
        "legend.frameon": False,
        "legend.handlelength": 1.4,
        "axes.linewidth": 0.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": LIGHT,
        "grid.linewidth": 0.4,
        "xtick.major.width": 0.5,
        "ytick.major.width": 0.5,
        "xtick.major.size": 2,
        "ytick.major.size": 2,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "lines.linewidth": 1.0,
        "hatch.linewidth": 0.4,
        "pdf.fonttype": 42,
    }
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        yield


def page(run: RunDescription, width: float, height: float) -> Figure:
    """Return an empty figure that arranges its axes by itself; width and height are in inches, without the note."""
    return with_note(Figure((width, height + note_height(run)), DPI, layout="constrained"), run)


def note_height(run: RunDescription) -> float:
    """Return the height in inches that the note takes."""
    return NOTE_HEIGHT if run.synthetic else 0.0


def with_note(figure: Figure, run: RunDescription) -> Figure:
    """Write the note on drawn faces at the bottom of the figure, if they are, and keep the axes off it."""
    if run.synthetic:
        width, height = figure.get_size_inches()
        figure.text(1 * MM / width, 0.8 * MM / height, NOTE, color=VERMILION, fontsize=SMALL - 0.5, va="bottom")
        engine = figure.get_layout_engine()
        if engine is not None:
            share = NOTE_HEIGHT / height
            engine.set(rect=(0, share, 1, 1 - share))
    return figure


def nothing(run: RunDescription, why: str) -> Figure:
    """Return a figure that only says why there is nothing to draw."""
    figure = with_note(Figure((PAGE, 20 * MM + note_height(run)), DPI), run)
    figure.text(0.5, 0.55, why, ha="center", va="center", color=GREY)
    return figure


def save(figure: Figure, outputs: Mapping[str, Path]) -> None:
    """Write the figure as ``pdf`` and ``png``, without the date and the versions that would change the bytes."""
    engine = figure.get_layout_engine()
    if engine is not None:
        # Arrange once for both files; drawing would do it again each time.
        engine.execute(figure)
        figure.set_layout_engine("none")
    with replacing(outputs["pdf"]) as beside:
        figure.savefig(beside, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    with replacing(outputs["png"]) as beside:
        figure.savefig(beside, format="png", dpi=DPI, metadata={"Software": None})
