"""Seeds of the parts of a run, all derived from the one in the configuration."""

import hashlib


def derive(seed: int, *names: str) -> int:
    """Return a seed below 2^63 for what `names` name: the same for the same arguments, unrelated for others."""
    text = "/".join((str(seed), *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
