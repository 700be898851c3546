"""Making splits anew: by shares, and with each person in one split alone, as CelebA's own partition has it."""

import hashlib
from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate


def fault_of_shares(shares: Sequence[float]) -> str | None:
    """Return what is wrong with the shares of training, validation and test."""
    if len(shares) == 3 and min(shares) > 0 and abs(sum(shares) - 1) <= 1e-6:
        return None
    return f"expected three shares above 0 that add up to 1, found {', '.join(f'{share:g}' for share in shares)}"


def by_shares(
    names: Sequence[str], persons: Mapping[str, str], shares: Sequence[float], seed: int | None = None
) -> dict[str, int]:
    """Return the split of each image, as index into `shares`, which add up to 1.

    Images of one of the `persons` (by image) come into one split; an image of nobody known is a group of its own. The
    groups are put in the order of the SHA-256 of their names, which is as good as random and the same everywhere, and
    each goes where its middle lies when the line of all images is cut by the shares. Another `seed` is another order.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(f"person {persons[name]}" if name in persons else f"image {name}", []).append(name)
    ends = [share * len(names) for share in accumulate(shares)][:-1]
    splits, before = {}, 0
    start = "" if seed is None else f"{seed} "
    for group in sorted(groups, key=lambda group: hashlib.sha256(f"{start}{group}".encode()).digest()):
        members = groups[group]
        splits |= dict.fromkeys(members, bisect(ends, before + len(members) / 2))
        before += len(members)
    return splits
