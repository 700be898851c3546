"""The one exception and the one warning that are meant for the reader of the screen, and hints at what was meant."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something outside the program is wrong: a file, a key, an argument.

    The message is all that a person gets to see (the traceback goes to the log), so it names the file and the row, key
    or HDF5 path, says what was expected, and what to do about it. Several faults of one kind are reported in one error.
    """


class NetworkWarning(UserWarning):
    """Something about an attacked network is suspicious, so that its robustness may be apparent only."""


def did_you_mean(word: object, known: Iterable[str], otherwise: str = "") -> str:
    """Return what to say behind a wrong name: the two nearest of those known, or one not so near.

    A value that is not text resembles none. Where none is near, all are listed behind `otherwise`: "; there are ".
    """
    names = list(known)
    text = word if isinstance(word, str) else ""
    if near := get_close_matches(text, names, n=2, cutoff=0.75) or get_close_matches(text, names, n=1, cutoff=0.5):
        return f"; did you mean {' or '.join(near)}?"
    return otherwise and otherwise + ", ".join(names)
