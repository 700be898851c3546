# Paths that several rules share. Anything with more logic than a path lives in the library.

ENVIRONMENT = "../../envs/faceflip.yaml"

# GPUs of a job that may compute on one. Snakemake counts them where it is told how many there are (--resources gpu=4).
# `auto` asks for none where there is no driver here: a cluster without GPUs would wait for one for ever.
GPU = {"cpu": 0, "cuda": 1, "auto": int(NVIDIA_DRIVER.exists())}[config["compute"]["device"]]

TABLE_FILES = expand("results/tables/{table}.{format}", table=TABLES, format=["csv", "md", "tex", "html"])
FIGURE_FILES = expand("results/figures/{figure}.{format}", figure=FIGURES, format=["pdf", "png", "txt"])

# Whether the faces are drawn, as the captions of the report say; pages and pictures take it from the dataset itself.
SYNTHETIC = config["dataset"]["celeba"] is None or PROVENANCE in (
    os.path.basename(file) for file in input_files(config["dataset"]["celeba"])
)

JOINED_STORES = expand("results/attacks/{experiment}.h5", experiment=PLAN.experiments)
SHARDS = expand("{experiment}/{shard}", experiment=PLAN.experiments, shard=PLAN.shards)
TRANSFERS = expand("{experiment}/{shard}", experiment=PLAN.transfers, shard=PLAN.shards)

# Line searches that are repeated by trying every whole epsilon.
SCANNED = PLAN.scanned if config["analysis"]["scan_images"] else ()


def by_attempt(amount):
    """A resource of which a job that is tried again (--retries) gets twice, then three times as much."""
    return lambda wildcards, attempt: amount * attempt


def celeba_files(wildcards):
    """Labels and images: of the look-alike that is drawn, or of CelebA as far as it is there already."""
    if config["dataset"]["celeba"] is None:
        return list(rules.synthesize_faces.output)
    return input_files(config["dataset"]["celeba"])


def checkpoints_of_shard(wildcards):
    """The checkpoints that a shard's attempts touch, in the order of its parts."""
    if wildcards.network == "moon":
        return f"results/networks/moon/{wildcards.checkpoint}.pt"
    folder = f"results/networks/{wildcards.network}"
    return [f"{folder}/{part.attribute}/{wildcards.checkpoint}.pt" for part in PLAN.attempts(wildcards.shard)]


def checkpoints_of_targets(wildcards):
    """The converged networks that adversarial images of a kind are shown to."""
    return [f"results/networks/{member}/converged.pt" for member in PLAN.members(wildcards.network)]


def checkpoints_of_scans(wildcards):
    """The checkpoints whose line searches are repeated."""
    networks = dict.fromkeys(experiment.network for experiment in SCANNED)
    return [f"results/networks/{member}/converged.pt" for network in networks for member in PLAN.members(network)]


def predictions_of_all(wildcards):
    """The predictions of every network."""
    members = [member for network in config["experiments"] for member in PLAN.members(network)]
    return [f"results/predictions/{member}.parquet" for member in members]


def histories_of_all(wildcards):
    """The training histories of every network."""
    members = [member for network in config["experiments"] for member in PLAN.members(network)]
    return [f"results/networks/{member}/history.csv" for member in members]


def inputs_of(product, wildcards):
    """The files of a table's or figure's inputs by the roles that the registries speak of; other roles are tables."""
    files = {
        "attempts": "results/attempts.parquet",
        "predictions": "results/predictions.parquet",
        "transfers": "results/transfers.parquet",
        "scans": "results/scans.parquet",
        "labels": "results/dataset/labels.csv",
        "dataset": "results/dataset/celeba.h5",
        "stores": JOINED_STORES,
        "histories": histories_of_all(wildcards),
    }
    return {role: files.get(role, f"results/tables/{role}.csv") for role in product.inputs}


def inputs_of_table(wildcards):
    """The files of a table's inputs, by role."""
    return inputs_of(TABLES[wildcards.table], wildcards)


def inputs_of_figure(wildcards):
    """The files of a figure's inputs, by role."""
    return inputs_of(FIGURES[wildcards.figure], wildcards)


def describe_choices():
    """The parts of the configuration that decide what a run's numbers mean, without the attacks' options."""
    choices = {key: config[key] for key in ("seed", "sample", "attributes", "network", "training")}
    choices["networks"] = list(config["experiments"])
    choices["similarity"] = {"color": config["similarity"]["color"]}
    return {**choices, "analysis": {key: config["analysis"][key] for key in ("threshold", "thresholds")}}
