"""Training images on their way to the device.

Shuffled training reads images in random order, in one of three ways that give the same batches: straight from the
memory map (CPU), from a copy in the GPU's memory or, where that is too small, by reader threads that run ahead.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

RESIDENT_SHARE = 0.5
"""Share of a GPU's free memory that the images may take; the rest is for the network and its activations."""
_BLOCK = 1024
_READERS, _AHEAD = 4, 8


class Examples(Protocol):
    """What can be fed: `shape` is that of all n images, (n, H, W, 3), and `labels` are (n, attributes) int8."""

    shape: tuple[int, ...]
    labels: np.ndarray

    def gather(self, positions: np.ndarray) -> np.ndarray:
        """Return the images at some of the n positions, uint8 (len(positions), H, W, 3); several threads may ask."""


@dataclass(frozen=True)
class LabelledImages:
    """Some rows of an image array and their labels.

    Attributes:
        images: (N, H, W, 3) uint8, possibly a memory map.
        rows: (n,) rows of `images`.
        labels: (n, attributes) int8: -1 (absent), +1 (present), 0 (unknown).
    """

    images: np.ndarray
    rows: np.ndarray
    labels: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all images: (n, H, W, 3)."""
        return (len(self.rows), *self.images.shape[1:])

    def gather(self, positions: np.ndarray) -> np.ndarray:
        """Return the images at some of the n positions, shape (len(positions), H, W, 3)."""
        return np.take(self.images, self.rows[positions], axis=0)


class Resident:
    """Images of which a GPU's memory holds one copy, if any, for all feeds of a process that take some of them."""

    def __init__(self, examples: Examples, residence: str = "auto") -> None:
        """Name the images; those of `LabelledImages` must be in ascending rows, if feeds are to take some of them.

        `residence` says whether a GPU holds them: ``auto`` (if half of the memory that is free when the first feed
        asks suffices), ``always`` or ``never``. On a CPU nothing is copied: the system keeps the memory map in memory
        where there is room.
        """
        self._examples, self._residence = examples, residence
        self._copies: dict[torch.device, Tensor | None] = {}

    def on(self, device: torch.device) -> Tensor | None:
        """Return the images on the device, uint8 (n, H, W, 3), or None where it is to hold none; reads them once."""
        if device not in self._copies:
            wanted = _holds(self._examples, device, self._residence)
            self._copies[device] = _copy(self._examples, device) if wanted else None
        return self._copies[device]

    def places(self, examples: Examples) -> np.ndarray:
        """Return where each of these images, some rows of the same array, is among the resident ones."""
        if examples is self._examples:
            return np.arange(len(examples.labels))
        places = np.searchsorted(self._examples.rows, examples.rows)
        if not np.array_equal(np.take(self._examples.rows, places, mode="clip"), examples.rows):
            raise ValueError("some of the images are not among the resident ones")
        return places


class Feed:
    """Batches of labelled images on a device."""

    def __init__(self, examples: Examples, device: torch.device, residence: Resident | str = "auto") -> None:
        """Prepare the images for the device where batches are needed; this reads all of them if they are to lie there.

        `residence` says whether a GPU holds them, as of `Resident`, or is what other feeds take theirs from, too.
        """
        self._examples, self._device = examples, device
        self._labels = torch.from_numpy(np.ascontiguousarray(examples.labels)).to(device)
        shared = Resident(examples, residence) if isinstance(residence, str) else residence
        self._resident, self._places = shared.on(device), shared.places(examples)
        self._streamed = device.type == "cuda" and self._resident is None

    @property
    def how(self) -> str:
        """In words, for the log."""
        if self._resident is not None:
            return f"all {len(self._labels):,} training images are in the memory of {self._device}"
        return "training images are read ahead from the dataset" if self._streamed else "training images are mapped"

    def batches(self, order: np.ndarray, size: int, first: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the full batches of an order, which are positions among the images; the incomplete last is left out.

        Yields:
            Images (size, 3, H, W), float32 on 0-255, channels-last in memory, and labels (size, attributes) int8; of
            each batch only the `first` so many, if that is given.
        """
        full = [order[start : start + size][:first] for start in range(0, len(order) - size + 1, size)]
        for positions, images in zip(full, self._images(full), strict=True):
            labels = self._labels.index_select(0, torch.from_numpy(positions).to(self._device))
            yield images.permute(0, 3, 1, 2).float(), labels

    def _images(self, batches: Sequence[np.ndarray]) -> Iterator[Tensor]:
        """Return the images at the positions of each batch, uint8 (size, H, W, 3) on the device."""
        if self._resident is not None:
            places = (torch.from_numpy(self._places[each]) for each in batches)
            return (self._resident.index_select(0, each.to(self._device)) for each in places)
        if self._streamed:
            return (pinned.to(self._device, non_blocking=True) for pinned in _read_ahead(self._examples, batches))
        return (torch.from_numpy(self._examples.gather(each)) for each in batches)


def _holds(examples: Examples, device: torch.device, residence: str) -> bool:
    return device.type == "cuda" and _fits(examples, device, residence)


def _fits(examples: Examples, device: torch.device, residence: str) -> bool:
    if residence != "auto":
        return residence == "always"
    free, _ = torch.cuda.mem_get_info(device)
    return math.prod(examples.shape) <= RESIDENT_SHARE * free


def _copy(examples: Examples, device: torch.device) -> Tensor:
    """Return all images as uint8 (n, H, W, 3) on the device; they are read front to back, as disks like it."""
    copy = torch.empty(examples.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(copy), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(copy)))
        copy[start : start + len(block)] = torch.from_numpy(examples.gather(block))
    return copy


def _read_ahead(examples: Examples, batches: Sequence[np.ndarray]) -> Iterator[Tensor]:
    """Yield batches as uint8 tensors in pinned memory; threads read several at a time, so that the disk has a queue."""

    def read(positions: np.ndarray) -> Tensor:
        batch = torch.from_numpy(examples.gather(positions))
        return batch.pin_memory() if torch.cuda.is_available() else batch  # a GPU fetches from there without stopping

    with ThreadPoolExecutor(_READERS) as pool:
        waiting = iter(batches)
        pending = deque(pool.submit(read, positions) for positions in islice(waiting, _AHEAD))
        try:
            while pending:
                batch = pending.popleft().result()
                pending.extend(pool.submit(read, positions) for positions in islice(waiting, 1))
                yield batch
        finally:
            for future in pending:
                future.cancel()
