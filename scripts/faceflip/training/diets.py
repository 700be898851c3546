"""What a network is fed in training: clean images alone, or extra ones in place of some of each batch.

Extra images are made of what an attack found: x + factor * eta, where eta changes the decision on the image x. The
order of the clean images depends on no diet, and every diet takes equally many steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from faceflip.catalogue import DietEntry
from faceflip.seeds import derive
from faceflip.training.feed import Feed

if TYPE_CHECKING:
    from faceflip.training.loop import Training


@dataclass(frozen=True)
class Learned:
    """Extra images that a network learned from, a row each.

    Attributes:
        image: (n,) rows of the dataset.
        attribute: (n,) str, the attacked one; empty where the attack was on all at once.
        factor: (n,) float64, what the perturbation was multiplied by; NaN where there was no other.
        times: (n,) how often.
    """

    image: np.ndarray
    attribute: np.ndarray
    factor: np.ndarray
    times: np.ndarray


class Diet:
    """Clean images alone, and how others are served: derive from it.

    Attributes:
        extra: So many images of each batch, its last, are not clean.
    """

    extra: int = 0

    def batches(
        self, training: "Training", clean: Feed, order: np.ndarray, size: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what is left of an epoch from step `training.step` on, as `Feed.batches` does.

        `order` is that of the epoch's `clean` images. The network changes between one batch and the next.
        """
        return clean.batches(order[training.step * size :], size)

    def choice(self, training: "Training") -> int:
        """Return how many extra images an epoch can take its own from."""
        return 0

    def learned(self, training: "Training") -> Learned:
        """Return the extra images of all finished epochs."""
        return Learned(np.empty(0, int), np.empty(0, str), np.empty(0), np.empty(0, int))


@dataclass(frozen=True)
class Flips:
    """Attempts that an attack flipped, a row each, from which extra images are made.

    Attributes:
        images: (N, H, W, 3) uint8, all of the dataset, possibly a memory map.
        perturbed: (n, H, W, 3) uint8, what the attack made of them, possibly a memory map.
        rows: (n,) which of `images` were attacked.
        attributes: (n,) str, the attacked attribute.
        right: (n,) bool, whether the network was right about the image.
        numbers: (n,) of the attempts in their experiment.
    """

    images: np.ndarray
    perturbed: np.ndarray
    rows: np.ndarray
    attributes: np.ndarray
    right: np.ndarray
    numbers: np.ndarray


class ExtraImages:
    """The extra images of a diet that is made from stores, each made when it is gathered (`Examples` of a feed).

    Attributes:
        parts: Which of them are those of each part of the diet that has any; of most diets there is one.
        flip, factor, shuffled: (n,) what each is made of, and how.
        labels: (n, attributes) int8, all annotated labels of the image: -1, +1, 0 where one is unknown.
    """

    def __init__(self, parts: Sequence[DietEntry], flips: Flips, labels: np.ndarray, seed: int) -> None:
        """List what there is for a diet's parts; `labels` (N, attributes) are of all images, `seed` is for shuffles."""
        self._flips, self._seed = flips, seed
        self.parts: list[range] = []
        flip, factor, shuffled, end = [], [], [], 0
        for part in parts:
            own = np.flatnonzero(flips.right == (part.takes == "right"))
            flip.append(np.repeat(own, len(part.factors)))
            factor.append(np.tile(np.array(part.factors, float), len(own)))
            shuffled.append(np.full(len(flip[-1]), part.shuffled))
            if len(own):
                self.parts.append(range(end, end := end + len(flip[-1])))
        self.flip, self.factor, self.shuffled = map(np.concatenate, (flip, factor, shuffled))
        self.labels = labels[flips.rows[self.flip]]

    def __len__(self) -> int:
        return len(self.flip)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all images: (n, H, W, 3)."""
        return (len(self), *self._flips.images.shape[1:])

    @property
    def images(self) -> np.ndarray:
        """The rows of the dataset that they are made from, (n,)."""
        return self._flips.rows[self.flip]

    @property
    def attributes(self) -> np.ndarray:
        """The attacked attributes, (n,) str."""
        return self._flips.attributes[self.flip]

    def gather(self, positions: np.ndarray) -> np.ndarray:
        """Make the images at some of the n positions, uint8 (len(positions), H, W, 3)."""
        made = np.empty((len(positions), *self.shape[1:]), np.uint8)
        for place, position in enumerate(positions):  # one by one: what is made of one fits into a processor's cache
            image = self._flips.images[self._flips.rows[self.flip[position]]]
            made[place] = moved(image, self.perturbation(position), self.factor[position])
        return made

    def perturbation(self, position: int) -> np.ndarray:
        """Return eta of one image, (H, W, 3) int16, its values in other places where the diet shuffles them."""
        flips, flip = self._flips, self.flip[position]
        eta = np.subtract(flips.perturbed[flip], flips.images[flips.rows[flip]], dtype=np.int16)
        if self.shuffled[position]:  # the same way each time, of whichever store it is
            places = np.random.default_rng([self._seed, int(flips.numbers[flip])])
            eta = places.permutation(eta.ravel()).reshape(eta.shape)
        return eta

    def drawn(self, count: int, seed: int) -> np.ndarray:
        """Draw `count` positions: each part goes through its images again and again, in a new order each time.

        Parts take turns.
        """
        random, each = np.random.default_rng(seed), -(-count // len(self.parts))
        rounds = [[random.permutation(part) for _ in range(-(-each // len(part)))] for part in self.parts]
        return np.stack([np.concatenate(orders)[:each] for orders in rounds], axis=1).ravel()[:count]


def moved(image: np.ndarray, eta: np.ndarray, factor: float) -> np.ndarray:
    """Return image + factor * eta, rounded half to even and clipped to 0-255, uint8."""
    return np.clip(np.rint(image + factor * eta), 0, 255).astype(np.uint8)


class Mixed(Diet):
    """Extra images that lie ready take the last places of each batch; clean ones that stood there are not read."""

    def __init__(
        self, extras: ExtraImages, extra: int, seed: int, device: torch.device, residence: str = "auto"
    ) -> None:
        """Prepare to serve `extra` images a batch; `seed` decides on their order, for `residence` see `Feed`."""
        self.extra = extra
        self._extras, self._seed = extras, seed
        self._feed = Feed(extras, device, residence)

    def batches(
        self, training: "Training", clean: Feed, order: np.ndarray, size: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield clean images, then extra ones; see `Diet.batches`."""
        drawn = self._drawn(training, len(training.history))[training.step * self.extra :]
        batches = clean.batches(order[training.step * size :], size, size - self.extra)
        for halves in zip(batches, self._feed.batches(drawn, self.extra), strict=True):
            images, labels = zip(*halves, strict=True)
            yield torch.cat(images).contiguous(memory_format=torch.channels_last), torch.cat(labels)

    def choice(self, training: "Training") -> int:
        """Return the number of images that lie ready."""
        return len(self._extras)

    def learned(self, training: "Training") -> Learned:
        """Return the extra images of all finished epochs; the same ones are drawn anew."""
        times = np.zeros(len(self._extras), int)
        for epoch in range(len(training.history)):
            times += np.bincount(self._drawn(training, epoch), minlength=len(times))
        there = np.flatnonzero(times)
        images, attributes = self._extras.images[there], self._extras.attributes[there]
        return Learned(images, attributes, self._extras.factor[there], times[there])

    def _drawn(self, training: "Training", epoch: int) -> np.ndarray:
        return self._extras.drawn(training.iterations * self.extra, derive(self._seed, "extra", str(epoch)))
