"""Exporting a store to formats that other programs read."""

import os
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faceflip.errors import UserError
from faceflip.io.files import name_beside, replacing, telling_disk_errors
from faceflip.io.paths import folder_of
from faceflip.store.header import canonical_json
from faceflip.store.reader import Store

if TYPE_CHECKING:
    import pandas as pd

ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that a ZIP file can say; a real one would make every export differ."""


def export_png(store: Store, rows: np.ndarray, images: Any, folder: str | os.PathLike) -> int:
    """Write the adversarial images of flipped attempts as lossless PNG, `attempts.csv` names them; return how many.

    `images` are all of the dataset, (N, height, width, 3) uint8; `folder` is a new one, it appears when it is complete.
    Raises UserError where it is there already or cannot be written, or the dataset does not fit.
    """
    from PIL import Image

    folder = Path(folder)
    if folder.exists():
        raise UserError(f"{folder}: exists already; name a new folder or remove this one")
    table = _flipped(store, rows)
    names = [
        f"{each.row:06d}-{folder_of(each.attribute)}-{Path(each.file_name).stem}.png" for each in table.itertuples()
    ]
    table.insert(0, "png", names)
    beside = name_beside(folder)
    with telling_disk_errors(folder):
        beside.mkdir(parents=True)
        try:
            for name, row in zip(names, table["row"], strict=True):
                Image.fromarray(store.adversarial(row, images)).save(beside / name, compress_level=6)
            table.to_csv(beside / "attempts.csv", index=False, lineterminator="\n")
            beside.rename(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return len(table)


def export_npz(store: Store, rows: np.ndarray, path: str | os.PathLike, images: Any | None = None) -> int:
    """Write flipped attempts as .npz: `perturbation`, every column, `header` (JSON), and with `images` `adversarial`.

    Returns their number. Images go to the file block by block, so that a large store needs little memory.
    """
    table = _flipped(store, rows)
    shape = (len(table), *store.image_shape, 3)
    with replacing(path) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        blocks = (block.perturbations for block in store.blocks(rows))
        _write_member(archive, "perturbation", np.dtype("<i2"), shape, blocks)
        if images is not None:
            blocks = (
                np.stack([store.applied(row, perturbation, images) for row, perturbation in zip(*block, strict=True)])
                for block in store.blocks(rows)
            )
            _write_member(archive, "adversarial", np.dtype("u1"), shape, blocks)
        for name in table.columns:
            values = table[name].to_numpy()
            values = values.astype("U") if values.dtype == object else values
            _write_member(archive, name, values.dtype, values.shape, [values])
        header = np.array(canonical_json(vars(store.header)))
        _write_member(archive, "header", header.dtype, (), [header])
    return len(table)


def export_table(store: Store, rows: np.ndarray, path: str | os.PathLike) -> int:
    """Write attempts, flipped or not, as .parquet (the header in its metadata) or .csv; return their number."""
    table = store.attempts.iloc[rows]
    with replacing(path) as beside:
        if beside.suffix == ".csv":
            table.to_csv(beside, index=False, lineterminator="\n")
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            arrow = pa.Table.from_pandas(table, preserve_index=False)
            metadata = {**arrow.schema.metadata, b"faceflip": canonical_json(vars(store.header)).encode()}
            pq.write_table(arrow.replace_schema_metadata(metadata), beside, compression="zstd")
    return len(table)


def _flipped(store: Store, rows: np.ndarray) -> "pd.DataFrame":
    table = store.attempts.iloc[np.unique(rows)]
    return table[table["flipped"]].reset_index(drop=True)


def _write_member(
    archive: zipfile.ZipFile, name: str, dtype: np.dtype, shape: tuple[int, ...], blocks: Iterable[np.ndarray]
) -> None:
    """Add one array to an .npz archive, given as consecutive parts of its first axis."""
    member = zipfile.ZipInfo(f"{name}.npy", ZIP_DATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(member, "w", force_zip64=True) as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype))
