"""Why an attempt ended."""

from enum import IntEnum


class Outcome(IntEnum):
    """Codes of the perturbation store; a new one takes the next number, a used one never changes its meaning."""

    FLIPPED = 0
    """The decision changed."""
    ZERO_GRADIENT = 1
    """The gradient is zero at the (temporary) image, so there is no direction."""
    MAX_EPSILON = 2
    """Line search: no flip up to `max_epsilon`."""
    SATURATED = 3
    """Growing epsilon, or one more step, changes no pixel any more."""
    MAX_STEPS = 4
    """Iterative: no flip within `max_steps`. An attack by `file`: what it returned is not flipped."""
    NOT_FINITE = 5
    """No flip, and a score on the way was infinite or no number, so that nothing is known of the image it was for.

    So it is, too, where the pixel values of an image that an attack by `file` returned were.
    """

    UNKNOWN_LABEL = 6
    """The image has no label for the attribute, and was not attacked for it."""

    @property
    def label(self) -> str:
        """The name as tables and stores spell it, such as ``zero_gradient``."""
        return self.name.lower()
