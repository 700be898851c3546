"""What all figures share: sizes, type, colours, the note on drawn faces, and files with the same bytes every time.

Figures are drawn at the width at which they are printed, a column or a page, and their type has its size there: none is
meant to be scaled down. As wide as a column are those whose panels have room in it; what shows forty attributes side by
side, or images, goes across the page.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import Collection
from matplotlib.colors import to_rgb, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from faceflip.analysis.run import RunDescription
from faceflip.catalogue import VERMILION
from faceflip.io.files import replacing

TYPE = "DejaVu Sans"
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
DARK_PAGE, DARK_TEXT = "#17191C", "#E8E8E8"
"""What white and black become on a dark screen, as in the style sheet of the pages."""
AS_IT_IS = "as it is"
"""The `gid` of what has the same colours on a dark screen: what stands on colours that do not change."""

NO_ATTACKS = "This run has no attacks on converged networks."
NOTE = "Synthetic faces, drawn by this project: not CelebA."
NOTE_HEIGHT = 3.5 * MM


@contextmanager
def drawing(names: Iterable[str] = ()) -> Iterator[None]:
    """Draw and save within this: Matplotlib's defaults and this project's type, whatever the user has configured.

    Names with signs that this type lacks have them from other fonts that are installed; what none has is a box.
    """
    settings = {
        "font.family": [TYPE, *_fonts_beside(set("".join(names)))],
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
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            yield


def _fonts_beside(signs: set[str]) -> list[str]:
    """Return the names of installed fonts that have signs which `TYPE` lacks, the fewer the better."""
    from matplotlib.font_manager import findfont, fontManager, get_font

    missing = {ord(sign) for sign in signs} - set(get_font(findfont(TYPE)).get_charmap())
    found = []
    for entry in sorted(fontManager.ttflist, key=lambda entry: (entry.name, entry.fname)) if missing else ():
        if (
            (entry.style, entry.weight) == ("normal", 400)
            and "Last Resort" not in entry.name
            and missing & set(get_font(entry.fname).get_charmap())
        ):
            missing -= set(get_font(entry.fname).get_charmap())
            found.append(entry.name)
    return found


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


@contextmanager
def darkened(figure: Figure) -> Iterator[None]:
    """Give the figure the colours of a dark screen within this.

    Greys go from `DARK_PAGE` (white) to `DARK_TEXT` (black). Colours, which have a contrast of at least 3 to both
    pages, images and coloured cells stay.
    """
    changed = []
    try:
        for artist in figure.findobj():
            # All are asked for first: a mark without a colour of its own has that of its line.
            colors = [(set_, get()) for get, set_ in _colors_of(artist)] if artist.get_gid() != AS_IT_IS else []
            for set_, was in colors:
                changed.append((set_, was))
                set_(_in_the_dark(was))
        yield
    finally:
        for set_, was in reversed(changed):
            set_(was)


def _colors_of(artist: Artist) -> list[tuple[Callable[[], Any], Callable[[Any], None]]]:
    """Return what gets and sets each colour of an artist."""
    if isinstance(artist, Text):
        return [(artist.get_color, artist.set_color)]
    if isinstance(artist, Line2D):
        names = ("color", "markeredgecolor", "markerfacecolor")
    elif isinstance(artist, Patch):
        names = ("facecolor", "edgecolor")
    elif isinstance(artist, Collection):
        # Colours that stand for values are no matter of the page.
        names = ("edgecolor",) if artist.get_array() is not None else ("facecolor", "edgecolor")
    else:
        return []
    return [(getattr(artist, f"get_{name}"), getattr(artist, f"set_{name}")) for name in names]


def _in_the_dark(color: Any) -> Any:
    """Return a colour, or an array of some, as `darkened` makes it."""
    rgba = to_rgba_array(color)
    grey = np.ptp(rgba[:, :3], axis=1) < 0.02
    rgba[grey, :3] = to_rgb(DARK_TEXT) + rgba[grey, :1] * np.subtract(to_rgb(DARK_PAGE), to_rgb(DARK_TEXT))
    if np.ndim(color) == 2:
        return rgba
    return tuple(rgba[0]) if len(rgba) else color


def save(figure: Figure, outputs: Mapping[str, Path]) -> None:
    """Write the figure as ``pdf``, as ``png``, and as ``dark``, a PNG for dark screens.

    Without the date and the versions that would change the bytes.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        # Arrange once for both files; drawing would do it again each time.
        engine.execute(figure)
        figure.set_layout_engine("none")
    with replacing(outputs["pdf"]) as beside:
        figure.savefig(beside, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    _save_png(figure, outputs["png"])
    with darkened(figure):
        _save_png(figure, outputs["dark"])


def _save_png(figure: Figure, path: Path) -> None:
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=DPI, metadata={"Software": None})
