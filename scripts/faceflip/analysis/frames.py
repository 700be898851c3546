"""Reading the tables that the workflow's stages wrote, and what all products count in them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.analysis.names import METHODS, SEARCHES, SIGNS, SPLIT_SIGNS, ordered
from faceflip.analysis.run import RunDescription
from faceflip.analysis.statistics.intervals import clustered, wilson
from faceflip.attempt import FINAL
from faceflip.errors import UserError
from faceflip.io.tables import require_sound_footer

Inputs = Mapping[str, Path]
"""Paths of a table's inputs by role (`faceflip.workflow.products.INPUTS`)."""

FigureInputs = Mapping[str, Path | Sequence[Path]]
"""Paths of a figure's inputs by role."""

FLAGS = frozenset({"correct", "flipped", "changed", "scan_flipped", "same", "doubtful", "falsified"})
"""Columns of truth values."""
TEXTS = (
    *("network", "member", "checkpoint", "attack", "method", "attribute", "source", "target", "id", "sample", "seed"),
    "found_by",
)
"""Columns of names, which may look like numbers: an attribute can be called 2020."""


def read_parquet(path: Path, columns: Sequence[str], networks: Collection[str] | None = None) -> pd.DataFrame:
    """Read some columns of a Parquet table, text as categories in alphabetical order.

    `networks` limits it to the rows of some, by the column of that name; other parts of the file are not decoded.

    Raises:
        UserError: The file is missing, is no Parquet table, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        require_sound_footer(path)
        schema = pq.read_schema(path)
        if not schema.names or pq.read_metadata(path).num_rows == 0 or (networks is not None and not networks):
            # A stage had nothing to do in this run, and knew of no types; or nothing is wanted.
            return pd.DataFrame({name: pd.Series(dtype=bool if name in FLAGS else object) for name in columns})
        missing = sorted(set(columns).difference(schema.names))
        if missing:
            raise UserError(f"{path}: lacks the columns {', '.join(missing)}; it has {', '.join(schema.names)}")
        is_text = (pa.types.is_string, pa.types.is_large_string)
        text = [name for name in columns if any(test(schema.field(name).type) for test in is_text)]
        chosen = None if networks is None else [("network", "in", list(networks))]
        options = {"read_dictionary": text, "page_checksum_verification": True, "filters": chosen}
        table = pq.read_table(path, columns=list(columns), **options)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a Parquet table ({error}); delete it and run again") from error
    frame = table.to_pandas(ignore_metadata=True)
    for name in frame.select_dtypes("category"):
        frame[name] = frame[name].cat.set_categories(sorted(frame[name].cat.categories))
    return frame


def read_attempts(path: Path, run: RunDescription, *more: str) -> pd.DataFrame:
    """Read the attempts on the run's sample: what identifies one, whether it flipped, its PASS, and `more` columns.

    Of a run in which something says which labels are in doubt (`RunDescription.doubt`) `doubtful` is one more. Attempts
    on fine-tuned networks are left out, which have tables of their own; `read_predictions` leaves them out, too.

    Raises:
        UserError: As `read_parquet`, or flipped attempts have no PASS.
    """
    keys = ("network", "checkpoint", "attack", "attribute", "image", "correct", "flipped", "pass")
    keys += ("doubtful",) if run.doubt else ()
    attempts = read_parquet(path, ["sample", *keys, *more], networks=run.network_names)
    chosen = attempts["sample"] == run.sample["name"]
    attempts = without_unused(attempts[chosen].drop(columns="sample").reset_index(drop=True))
    require_scored(attempts, path)
    return attempts


def require_scored(attempts: pd.DataFrame, path: Path) -> None:
    """Raise `UserError` where flipped attempts, read from a file, have no PASS."""
    unscored = int((attempts["flipped"] & attempts["pass"].isna()).sum())
    if unscored:
        remedy = "delete it and the folder `scores` beside it, and run again"
        raise UserError(f"{path}: {unscored} flipped attempts have no PASS; {remedy}")


def read_predictions(path: Path, run: RunDescription, *columns: str) -> pd.DataFrame:
    """Read some columns of the predictions on the test split and on the run's sample."""
    columns_read = list(dict.fromkeys([*columns, "split", "sample"]))
    predictions = read_parquet(path, columns_read, networks=run.network_names)
    chosen = (predictions["split"] == "test") | (predictions["sample"] == run.sample["name"])
    return without_unused(predictions.loc[chosen, list(columns)].reset_index(drop=True))


def without_unused(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose categories are those that occur, as if no other rows had been read."""
    used = {name: frame[name].cat.remove_unused_categories() for name in frame.select_dtypes("category")}
    return frame.assign(**used)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table that `make_table` or the dataset stage wrote; only an empty cell is missing.

    Raises:
        UserError: The file is missing or no such table.
    """
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(TEXTS, "str"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a table ({error}); delete it and run again") from error


def adversarial(attempts: pd.DataFrame, threshold: float) -> pd.Series:
    """Return which attempts count: flipped, with a PASS of at least the threshold."""
    return attempts["flipped"] & (attempts["pass"] >= threshold)


def with_parts(attempts: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Return the attempts with the columns `method`, `search` and `sign` that tables speak of."""
    attack = attempts["attack"].astype("category").cat
    known = [run.attack(name) for name in attack.categories]
    method, search = (pd.Categorical([getattr(each, part) for each in known]) for part in ("method", "search"))
    sign = pd.Categorical.from_codes(np.where(attempts["correct"], 0, 1), list(SIGNS))
    return attempts.assign(method=method.take(attack.codes), search=search.take(attack.codes), sign=sign)


def signs_of(attempts: pd.DataFrame) -> tuple[str, ...]:
    """Return the signs that attempts are counted by: where it is known which labels are in doubt, split ones too."""
    return (*SIGNS, *SPLIT_SIGNS) if "doubtful" in attempts else SIGNS


def with_split(attempts: pd.DataFrame) -> pd.DataFrame:
    """Return the attempts (with `sign`), and below them the misclassified ones again, with a sign of `SPLIT_SIGNS`.

    Where it is not known which labels are in doubt there are none of these.
    """
    if "doubtful" not in attempts:
        return attempts
    signs = pd.CategoricalDtype([*SIGNS, *SPLIT_SIGNS])
    wrong = attempts[~attempts["correct"]]
    split = pd.Categorical.from_codes(len(SIGNS) + wrong["doubtful"].to_numpy(np.int8), dtype=signs)
    whole = attempts.assign(sign=attempts["sign"].astype(signs))
    return pd.concat([whole, wrong.assign(sign=split)], ignore_index=True)


def count_flips(attempts: pd.DataFrame, by: Sequence[str], thresholds: Iterable[float]) -> pd.DataFrame:
    """Count the attempts (`with_parts`) of each group and sign, and those that are adversarial at each threshold.

    Returns:
        Columns of `by`, `sign` (of `signs_of`), `total`, `flipped`, `threshold`, `rate`, `low`, `high` (95 %, of
        `shares_by_image`). A group has rows for all signs even where one has no attempts; its rate is then NaN.
    """
    keys, signs = [*by, "sign"], signs_of(attempts)
    attempts = with_split(attempts)
    counts = []
    for threshold in thresholds:
        hits = attempts[[*keys, "image"]].assign(hit=adversarial(attempts, threshold).to_numpy())
        counted = shares_by_image(hits, keys).rename(columns={"successes": "flipped", "trials": "total"})
        every = counted[list(by)].drop_duplicates().merge(pd.DataFrame({"sign": list(signs)}), how="cross")
        counted = every.merge(counted, how="left", on=keys)
        counts.append(counted.assign(threshold=float(threshold)))
    frame = pd.concat(counts, ignore_index=True).fillna({"total": 0, "flipped": 0})
    frame = frame.astype(dict.fromkeys(keys, "str") | {"total": "int64", "flipped": "int64"})
    return frame[[*keys, "total", "flipped", "threshold", "rate", "low", "high"]]


def shares_by_image(hits: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return each group's share of trials that are a `hit`, with an interval that allows for several of one `image`.

    Returns:
        Columns of `by` as text, successes, trials, rate, low, high: the 95 % interval of `clustered`.
    """
    groups = hits.groupby(list(by), observed=True)
    frame = groups.size().reset_index()[list(by)].astype("str")
    successes, trials = sums_by_image(hits["image"], groups.ngroup(), hits["hit"].to_numpy(float), None)
    low, high = clustered(successes, trials)
    count, of = (each.sum(axis=0).astype("int64") for each in (successes, trials))
    return frame.assign(successes=count, trials=of, rate=count / of, low=low, high=high)


def sums_by_image(image: pd.Series, group: pd.Series, *values: np.ndarray | None) -> list[np.ndarray]:
    """Return the sums of values (None: how many there are) over the rows of each image and group.

    Groups are numbered from 0 on, each has rows. Results have shape (images, groups), images in the order of their
    numbers.
    """
    images, row = np.unique(image.to_numpy(), return_inverse=True)
    size = (len(images), int(group.max()) + 1 if len(group) else 0)
    cell = row * size[1] + group.to_numpy()
    return [np.bincount(cell, weights=each, minlength=size[0] * size[1]).reshape(size) for each in values]


def only_final(attempts: pd.DataFrame) -> pd.DataFrame:
    """Return the attempts on the last checkpoints of networks: trainings that had converged, and those brought."""
    return attempts[attempts["checkpoint"].isin(FINAL)]


def with_rate(frame: pd.DataFrame, successes: str, trials: str) -> pd.DataFrame:
    """Return the frame with `rate` (NaN without trials) and its Wilson interval `low`, `high`."""
    low, high = wilson(frame[successes], frame[trials])
    return frame.assign(rate=frame[successes] / frame[trials].where(frame[trials] > 0), low=low, high=high)


def wide(frame: pd.DataFrame, index: str, columns: str, values: str | list[str]) -> pd.DataFrame:
    """Return a tidy frame with a row per `index` and a column per `columns`.

    Raises:
        ValueError: A pair of them occurs twice.
    """
    return frame.pivot(index=index, columns=columns, values=values)  # noqa: PD010 (pivot_table would hide duplicates)


def in_order(frame: pd.DataFrame, orders: Mapping[str, Sequence]) -> pd.DataFrame:
    """Return the frame sorted by columns whose values have an order of their own."""

    def rank(column: pd.Series) -> pd.Series:
        places = {value: place for place, value in enumerate(orders[column.name])}
        return column.map(lambda value: places.get(value, len(places)))

    return frame.sort_values(list(orders), key=rank, kind="stable", ignore_index=True)


def arranged(frame: pd.DataFrame, run: RunDescription, by: Sequence[str]) -> pd.DataFrame:
    """Return the frame sorted by columns, each in the order that its values have on every page."""
    orders = {
        "network": run.network_names,
        "checkpoint": run.checkpoints,
        "method": METHODS,
        "search": SEARCHES,
        "sign": (*SIGNS, *SPLIT_SIGNS),
        "attribute": run.attributes,
    }
    return in_order(frame, {name: ordered(frame[name], orders.get(name, ())) for name in by})
