"""What a network said of some images, as matrices of attributes and images: which of it is wrong."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.analysis.frames import read_parquet


@dataclass(frozen=True)
class Answers:
    """Answers of one network on one set of images.

    Attributes:
        attributes: Of the rows of the matrices.
        images: Of their columns: rows of the dataset, ascending.
        labels: Shape (attributes, images), int8: -1 or +1, 0 where the label is unknown.
        wrong: The same shape, bool; false where the label is unknown.
    """

    attributes: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray
    wrong: np.ndarray

    @classmethod
    def from_frame(cls, predictions: pd.DataFrame) -> "Answers":
        """Take over predictions with the columns attribute, image, label, score; an image is there once an attribute.

        A score of zero means *absent*.
        """
        attribute = predictions["attribute"].astype("category").cat.remove_unused_categories().cat
        images, column = np.unique(predictions["image"].to_numpy(), return_inverse=True)
        shape, row = (len(attribute.categories), len(images)), attribute.codes.to_numpy()
        labels, wrong = np.zeros(shape, np.int8), np.zeros(shape, bool)
        labels[row, column] = predictions["label"]
        wrong[row, column] = (predictions["score"] > 0).to_numpy() != (predictions["label"] > 0).to_numpy()
        return cls(tuple(attribute.categories), images, labels, wrong & (labels != 0))

    @property
    def known(self) -> np.ndarray:
        """Which labels are known, of the shape of `labels`."""
        return self.labels != 0

    def of(self, attributes: Collection[str]) -> "Answers":
        """Return the answers on those of the attributes that it has."""
        rows = [row for row, name in enumerate(self.attributes) if name in attributes]
        kept = tuple(self.attributes[row] for row in rows)
        return Answers(kept, self.images, self.labels[rows], self.wrong[rows])

    def on(self, images: np.ndarray) -> "Answers":
        """Return the answers on some images (rows of the dataset) that it has all."""
        columns = np.searchsorted(self.images, images)
        return Answers(self.attributes, images, self.labels[:, columns], self.wrong[:, columns])

    def error(self) -> float:
        """Return the mean over attributes of the share of wrong answers; NaN without labels."""
        return _mean(self.wrong.sum(axis=1), self.known.sum(axis=1))

    def balanced_error(self) -> float:
        """Return the mean over attributes of the mean of their two classes' shares of wrong answers.

        Where an attribute has no image of one class, the share of the other class stands.
        """
        shares = [_shares(*self._counts(of)) for of in (self.labels > 0, self.labels < 0)]
        there = ~np.isnan(shares)
        return _mean(np.nansum(shares, axis=0), there.sum(axis=0))

    def false_negative_rate(self) -> float:
        """Return the mean share of wrong answers on images that have the attribute, over the attributes with some."""
        return _mean(*self._counts(self.labels > 0))

    def false_positive_rate(self) -> float:
        """Return the mean share of wrong answers on images without the attribute, over the attributes with some."""
        return _mean(*self._counts(self.labels < 0))

    def _counts(self, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how many answers of a mask (as `labels`) are wrong, and how many there are, by attribute."""
        return (self.wrong & of).sum(axis=1), of.sum(axis=1)

    def labels_of(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the labels, int8, of given pairs (columns attribute, image); 0 of those that it does not have."""
        row, column, there = self._places(pairs)
        labels = np.zeros(len(pairs), np.int8)
        labels[there] = self.labels[row[there], column[there]]
        return labels

    def where(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return which answers, of the shape of `labels`, are on given pairs (columns attribute, image)."""
        row, column, there = self._places(pairs)
        found = np.zeros(self.labels.shape, bool)
        found[row[there], column[there]] = True
        return found

    def _places(self, pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the row and the column of each pair, and whether it has one."""
        row = pd.Index(self.attributes, dtype="str").get_indexer(pairs["attribute"].astype("str"))
        column = pd.Index(self.images, dtype="int64").get_indexer(pairs["image"])
        return row, column, (row >= 0) & (column >= 0)


def in_common(first: Answers, second: Answers) -> tuple[Answers, Answers]:
    """Return the answers of two networks on the attributes and images that both have."""
    images = np.intersect1d(first.images, second.images)
    attributes = [name for name in first.attributes if name in second.attributes]
    return first.of(attributes).on(images), second.of(attributes).on(images)


def read_answers(path: Path, network: str, checkpoint: str) -> dict[str, Answers]:
    """Read from the predictions what a network said of each sample, and of the test split by the name ``""``.

    Raises:
        UserError: As `read_parquet`.
    """
    columns = ("network", "checkpoint", "attribute", "sample", "image", "label", "score")
    predictions = read_parquet(path, columns, networks=[network])
    predictions = predictions[predictions["checkpoint"] == checkpoint]
    return {str(name): Answers.from_frame(part) for name, part in predictions.groupby("sample", observed=True)}


def _shares(wrong: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return shares, NaN of nothing."""
    return np.divide(wrong, of, out=np.full(len(of), np.nan), where=of > 0)


def _mean(sums: np.ndarray, counts: np.ndarray) -> float:
    """Return the mean of those quotients of which the denominator is not 0, or NaN."""
    shares = _shares(sums, counts)
    return float(np.nanmean(shares)) if not np.isnan(shares).all() else float("nan")
