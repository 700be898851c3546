"""Where the files of a run are: all code takes paths from here, and none parses them, as files say what they are.

All paths are seen from the folder in which the workflow runs.
"""

import hashlib
import os
import unicodedata
from pathlib import Path


class Pattern(str):
    """A path with wildcards in braces, as Snakemake reads them."""

    __slots__ = ()

    def of(self, **wildcards: str) -> str:
        """Return the path with these values in place of the wildcards."""
        return self.format(**wildcards)


RESULTS = "results"
"""The folder that a run writes to."""
LOGS = "logs"

SYNTHETIC = f"{RESULTS}/synthetic"
"""Where drawn faces are written, in CelebA's layout."""

SOURCE = ".snakemake/faceflip/source.json"
"""What the dataset is packed from, by contents (`faceflip.workflow.packed_from`)."""
RUN_RECORD = ".snakemake/faceflip/run.json"
"""What the last run set out to do (`faceflip.workflow.run_record`)."""
INCOMPLETE = ".snakemake/incomplete"
"""Where Snakemake marks outputs that are not whole (`faceflip.workflow.snakemake_traces`)."""
DATASET = f"{RESULTS}/dataset/faces.h5"
MANIFEST = f"{RESULTS}/dataset/manifest.json"
LABELS = f"{RESULTS}/dataset/labels.csv"
LABEL_DOUBT = f"{RESULTS}/dataset/label_doubt.parquet"
"""Which labels are in doubt, and why (`faceflip.data.label_doubt`)."""
FOLD_SCORES = Pattern(f"{RESULTS}/doubt/{{fold}}.parquet")
"""What a network says of the images of a fold that it did not learn from."""
SAMPLE = Pattern(f"{RESULTS}/samples/{{sample}}.csv")

NETWORKS = f"{RESULTS}/networks"
CHECKPOINT = Pattern(f"{NETWORKS}/{{network}}/{{member}}/{{checkpoint}}.pt")
HISTORY = Pattern(f"{NETWORKS}/{{network}}/{{member}}/history.csv")
PREFLIGHT = Pattern(f"{NETWORKS}/{{network}}/{{member}}/preflight.csv")
"""What is suspicious of a network that was brought."""
TUNING = Pattern(f"{NETWORKS}/{{network}}/{{member}}/tuning.csv")
"""The epochs of a fine-tuning; ``DIET`` has the images that took part."""
DIET = Pattern(f"{NETWORKS}/{{network}}/{{member}}/diet.parquet")
SHARD_PREDICTIONS = Pattern(f"{RESULTS}/predictions/{{network}}/{{shard}}.parquet")

_EXPERIMENT = "{sample}/{network}/{checkpoint}/{attack}"
STORE = Pattern(f"{RESULTS}/attacks/{_EXPERIMENT}/{{shard}}.h5")
VIEW = Pattern(f"{RESULTS}/attacks/{_EXPERIMENT}.h5")
SCORES = Pattern(f"{RESULTS}/scores/{_EXPERIMENT}/{{shard}}.parquet")
SHARD_TRANSFERS = Pattern(f"{RESULTS}/transfers/{_EXPERIMENT}/{{shard}}.parquet")
SHARD_BETWEEN = Pattern(f"{RESULTS}/between/{_EXPERIMENT}/{{shard}}.parquet")

ATTEMPTS = f"{RESULTS}/attempts.parquet"
PREDICTIONS = f"{RESULTS}/predictions.parquet"
TRANSFERS = f"{RESULTS}/transfers.parquet"
BETWEEN = f"{RESULTS}/between.parquet"
SCANS = f"{RESULTS}/scans.parquet"
RUN = f"{RESULTS}/run.json"

TABLE = Pattern(f"{RESULTS}/tables/{{table}}.{{format}}")
FIGURE = Pattern(f"{RESULTS}/figures/{{figure}}.{{format}}")
DARK_FIGURE = Pattern(f"{RESULTS}/figures/dark/{{figure}}.png")
"""The figure for dark screens."""
PAPER = f"{RESULTS}/paper"
"""Links by the paper's own names of its tables and figures."""
GALLERY = f"{RESULTS}/gallery"
README = f"{RESULTS}/README.md"
INDEX = f"{RESULTS}/index.html"
RUNTIME = f"{RESULTS}/runtime.html"
INVENTORY = Pattern(f"{RESULTS}/inventory/{{part}}.json")
BENCHMARKS = f"{RESULTS}/benchmarks"

FOLDER_BYTES = 100
"""The most bytes of the folder of a member of a network."""
UNFINISHED = "unfinished"
"""Folder beside the results of a training that has not ended."""


def folder_of(member: str) -> str:
    """Return what stands for a member of a network in paths: its name, with what no folder should have replaced by _.

    Letters and digits of all alphabets stay. Long names are cut and told apart by a digest.
    """
    safe = "".join(each if each.isalnum() or each in "_+-." else "_" for each in unicodedata.normalize("NFC", member))
    safe = f"_{safe[1:]}" if safe.startswith((".", "-")) else safe
    if len(safe.encode()) <= FOLDER_BYTES:
        return safe
    digest = hashlib.sha256(member.encode()).hexdigest()[:8]
    return f"{safe.encode()[: FOLDER_BYTES - 9].decode(errors='ignore')}_{digest}"


def shard_name(number: int) -> str:
    """Return the name of a shard's files."""
    return f"{number:03d}"


def as_made(file: str) -> str:
    """Return a file's path as rules name what they make, whatever leads to it; one outside `RESULTS` stays as it is."""
    inside = os.path.relpath(file) if file else ""
    return inside if Path(inside).is_relative_to(RESULTS) else file


def root_of(file: Path, place: Path | str) -> Path | None:
    """Return the folder in which a run keeps a file at this place, such as ``results/attacks/.../000.h5``, or None.

    The folder is named as the file is, relative or absolute.
    """
    parts = Path(place).parts
    if file.absolute().parts[-len(parts) :] != parts:
        return None
    named = file if len(file.parts) >= len(parts) else file.absolute()
    return named.parents[len(parts) - 1]
