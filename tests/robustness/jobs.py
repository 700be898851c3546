"""Single jobs of the workflow's scripts, as they are run on a copy of a finished micro run.

Each is a function of the entries (see `Entries`) and the folder of the run that returns how the script ended, or makes
one.
"""

from faults import MICRO
from running import ROOT

from faceflip.workflow.config import read_config

STEM = "euclidean/converged/ffa-line"
DATASET = "results/dataset/celeba.h5"
SAMPLE = "results/dataset/sample.csv"
CHECKPOINT = "results/networks/euclidean/Smiling/converged.pt"
SHARD = f"results/attacks/{STEM}/000.h5"
VIEW = f"results/attacks/{STEM}.h5"
SCORES = f"results/scores/{STEM}/000.parquet"

CONFIG = read_config(ROOT, [MICRO])


def _job(script, **about):
    """Return a run of a script with these inputs, outputs, parameters and so on."""
    return lambda entries, folder: entries.script(folder, script, **about)


def pack(folder, leave_out=False, architecture="vgg16"):
    """Decode a CelebA in this folder or archive, for networks of this architecture."""
    return _job(
        "pack_dataset",
        output={
            "dataset": DATASET,
            "manifest": "results/dataset/manifest.json",
            "labels": "results/dataset/labels.csv",
        },
        params={"folder": folder, "image_size": [44, 54], "leave_out_bad_images": leave_out},
        config={**CONFIG, "network": {**CONFIG["network"], "architecture": architecture}},
    )


predict = _job(
    "predict_network",
    input={
        "dataset": DATASET,
        "sample": SAMPLE,
        "epoch2": CHECKPOINT.replace("converged", "epoch2"),
        "converged": CHECKPOINT,
    },
    output={"predictions": "results/predictions/euclidean/Smiling.parquet"},
    params={"batch_size": 8, "device": "cpu"},
    wildcards={"loss": "euclidean", "attribute": "Smiling"},
    config=CONFIG,
)


attack = _job(
    "attack_shard",
    input={"dataset": DATASET, "sample": SAMPLE, "checkpoints": [CHECKPOINT]},
    output={"store": SHARD},
    params={
        "options": CONFIG["attacks"]["ffa-line"],
        "parts": [{"attribute": "Smiling", "start": 0, "stop": 3}],
        "first_attempt": 0,
        "batch_size": CONFIG["compute"]["batch_size"],
        "device": "cpu",
        "seed": CONFIG["seed"],
        "compression": "gzip",
    },
    wildcards={"network": "euclidean", "checkpoint": "converged", "attack": "ffa-line", "shard": "000"},
    config=CONFIG,
)


def score_of(part):
    """Score a shard, such as euclidean/converged/ffa-line/000."""
    return _job(
        "score_shard",
        input={"dataset": DATASET, "store": f"results/attacks/{part}.h5"},
        output={"scores": f"results/scores/{part}.parquet"},
        params={"color": "rgb", "engine": "cpu", "device": "cpu"},
        config=CONFIG,
    )


join = _job("join_shards", input={"shards": [SHARD, SHARD.replace("000", "001")]}, output={"view": VIEW})


collect = _job(
    "collect_attempts",
    input={"shards": [SHARD], "scores": [SCORES]},
    output={"attempts": "results/attempts.parquet"},
)


def draw(images):
    return _job(
        "draw_sample",
        input={"dataset": DATASET},
        output={"sample": SAMPLE},
        params={"seed": 1, "images": images},
    )


inventory = _job(
    "take_inventory",
    input={"make_table": ["results/tables/table1.csv", "results/tables/table2.csv"]},
    output={"inventory": "results/inventory/pages.json"},
    params={"parts": ["pages"]},
)


def transfer_of(part):
    """Show the adversarial images of a shard to a network."""
    return _job(
        "transfer_shard",
        input={
            "dataset": DATASET,
            "store": f"results/attacks/{part}.h5",
            "scores": f"results/scores/{part}.parquet",
            "targets": [CHECKPOINT],
        },
        output={"transfers": f"results/portability/{part}.parquet"},
        params={"threshold": 0.0, "batch_size": 8, "device": "cpu"},
        config=CONFIG,
    )


scan = _job(
    "scan_lines",
    input={
        "dataset": DATASET,
        "sample": SAMPLE,
        "stores": [SHARD],
        "checkpoints": [CHECKPOINT],
    },
    output={"scans": "results/scans.parquet"},
    params={"images": 2, "device": "cpu"},
    config=CONFIG,
)


def synthesize(architecture="vgg16"):
    """Draw faces for networks of this architecture."""
    return _job(
        "synthesize_faces",
        output={"annotations": "results/synthetic/list_attr_celeba.txt"},
        params={"faces": {"train": 4, "validation": 1, "test": 1, "mislabelled": 0.0}, "seed": 1},
        config={**CONFIG, "network": {**CONFIG["network"], "architecture": architecture}},
    )
