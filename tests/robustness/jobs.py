"""Single jobs of the workflow's scripts, as they are run on a copy of a finished micro run.

Each is a function of the entries (see `Entries`) and the folder of the run that returns how the script ended, or makes
one.
"""

from faults import MICRO
from running import ROOT

from faceflip.io import paths
from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings, merged, read_config

EXPERIMENT = {"sample": "paper", "network": "euclidean", "checkpoint": "converged", "attack": "ffa-line"}
MEMBER = {"network": "euclidean", "member": "Smiling"}
FIRST, SECOND = "000", "001"
"""The shards of the experiment."""

DATASET = paths.DATASET
SAMPLE = paths.SAMPLE.of(sample="paper")
CHECKPOINT, EPOCH2 = (paths.CHECKPOINT.of(**MEMBER, checkpoint=name) for name in ("converged", "epoch2"))
SHARD, OTHER_SHARD = (paths.STORE.of(**EXPERIMENT, shard=shard) for shard in (FIRST, SECOND))
VIEW = paths.VIEW.of(**EXPERIMENT)
SCORES, OTHER_SCORES = (paths.SCORES.of(**EXPERIMENT, shard=shard) for shard in (FIRST, SECOND))

CONFIG = read_config(ROOT, [MICRO])
PLAN = Plan(Settings.of(CONFIG))


def _job(script, config=CONFIG, **about):
    """Return a run of a script with these inputs, outputs, parameters and so on."""
    return lambda entries, folder: entries.script(folder, script, config=config, **about)


def _of_architecture(name):
    """Return the configuration with all networks of this architecture."""
    return merged(CONFIG, {"architecture": {"name": name}})


def pack(folder, leave_out=False, architecture="vgg16"):
    """Decode a CelebA in this folder or archive, for networks of this architecture."""
    return _job(
        "pack_dataset",
        output={"dataset": DATASET, "manifest": paths.MANIFEST, "labels": paths.LABELS},
        params={"image_size": [44, 54], "leave_out_bad_images": leave_out},
        config=merged(_of_architecture(architecture), {"dataset": {"celeba": folder}}),
    )


predict = _job(
    "predict_network",
    input={"dataset": DATASET, "samples": [SAMPLE], "checkpoints": [EPOCH2, CHECKPOINT]},
    output={"predictions": paths.SHARD_PREDICTIONS.of(network="softmax", shard=FIRST)},
    params={
        "samples": ["paper"],
        "checkpoints": ["epoch2", "converged"],
        "members": {"Smiling": ["Smiling"]},
        "own_code": [],
        "batch_size": 8,
        "device": "cpu",
    },
    wildcards={"network": "softmax", "shard": FIRST},
)


attack = _job(
    "attack_shard",
    input={"dataset": DATASET, "sample": SAMPLE, "checkpoints": [CHECKPOINT]},
    output={"store": SHARD},
    params={
        "options": {**PLAN.attacks["ffa-line"].options, "batch_size": PLAN.settings.compute.batch_size},
        "parts": [{"attribute": "Smiling", "member": "Smiling", "start": 0, "stop": 3}],
        "members": ["Smiling"],
        "first_attempt": 0,
        "own_code": [],
        "device": "cpu",
        "seed": CONFIG["seed"],
        "compression": "gzip",
    },
    wildcards={**EXPERIMENT, "shard": FIRST},
)


def score_of(shard):
    """Score a shard."""
    names = {**EXPERIMENT, "shard": shard}
    return _job(
        "score_shard",
        input={"dataset": DATASET, "store": paths.STORE.of(**names)},
        output={"scores": paths.SCORES.of(**names)},
        params={"color": "rgb", "engine": "cpu", "device": "cpu", "metrics": {}},
        wildcards=names,
    )


join = _job("join_shards", input={"shards": [SHARD, OTHER_SHARD]}, output={"view": VIEW}, wildcards=EXPERIMENT)


collect = _job(
    "collect_attempts",
    input={"shards": [SHARD], "scores": [SCORES]},
    output={"attempts": paths.ATTEMPTS},
    params={"metrics": []},
)


def draw(images):
    """Draw a sample of so many images."""
    return _job(
        "draw_sample",
        input={"dataset": DATASET},
        output={"sample": SAMPLE},
        params={"seed": CONFIG["seed"], "split": "train", "images": images},
        wildcards={"sample": "paper"},
    )


LISTED = [paths.TABLE.of(table=table, format="csv") for table in ("flippability", "checkpoint_overlap")]

inventory = _job(
    "take_inventory",
    input={"make_table": LISTED},
    output={"inventory": paths.INVENTORY.of(part="pages")},
    params={"rules": ["make_table"], "parts": ["pages"], "root": "."},
    wildcards={"part": "pages"},
)


def transfer_of(shard):
    """Show the adversarial images of a shard to a network."""
    names = {**EXPERIMENT, "shard": shard}
    return _job(
        "transfer_shard",
        input={
            "dataset": DATASET,
            "store": paths.STORE.of(**names),
            "scores": paths.SCORES.of(**names),
            "targets": [CHECKPOINT],
        },
        output={"transfers": paths.SHARD_TRANSFERS.of(**names)},
        params={"threshold": 0.0, "own_code": [], "batch_size": 8, "device": "cpu"},
        wildcards=names,
    )


scan = _job(
    "scan_lines",
    input={"dataset": DATASET, "sample": SAMPLE, "stores": [SHARD], "checkpoints": [CHECKPOINT]},
    output={"scans": paths.SCANS},
    params={"images": 2, "own_code": [], "device": "cpu"},
)


def synthesize(architecture="vgg16"):
    """Draw faces for networks of this architecture."""
    return _job(
        "synthesize_faces",
        output={"annotations": f"{paths.SYNTHETIC}/list_attr_celeba.txt"},
        params={"faces": {"train": 4, "validation": 1, "test": 1, "mislabelled": 0.0}, "seed": 1},
        config=_of_architecture(architecture),
    )
