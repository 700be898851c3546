"""Hints at what was meant by a wrong name."""

import pytest

from faceflip.errors import did_you_mean

KNOWN = ("max_epsilon", "max_steps", "margin", "search")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("max_step", "; did you mean max_steps?"),
        ("max_eps", "; did you mean max_steps or max_epsilon?"),
        ("sea", "; did you mean search?"),
        ("colour", "; there are max_epsilon, max_steps, margin, search"),
        (None, "; there are max_epsilon, max_steps, margin, search"),
        (3, "; there are max_epsilon, max_steps, margin, search"),
    ],
)
def test_hints(word, hint):
    assert did_you_mean(word, iter(KNOWN), otherwise="; there are ") == hint
    assert did_you_mean(word, KNOWN) == (hint if "did you mean" in hint else "")
