# Paths that several rules share. Anything with more logic than a path lives in the library.

ENVIRONMENT = "../../envs/faceflip.yaml"

JOINED_STORES = expand("results/attacks/{experiment}.h5", experiment=PLAN.experiments)
SHARDS = expand("{experiment}/{shard}", experiment=PLAN.experiments, shard=PLAN.shards)
TRANSFERS = expand("{experiment}/{shard}", experiment=PLAN.transfers, shard=PLAN.shards)


def celeba_files(wildcards):
    """Annotation and partition file: of the look-alike that is drawn, or of CelebA as far as it is there already."""
    names = ("list_attr_celeba.txt", "list_eval_partition.txt")
    if config["dataset"]["celeba"] is None:
        return [f"results/synthetic/{name}" for name in names] + ["results/synthetic/img_align_celeba"]
    return [path for name in names if os.path.exists(path := os.path.join(config["dataset"]["celeba"], name))]


def checkpoints_of_shard(wildcards):
    """The checkpoints that a shard's attempts touch, in the order of its parts."""
    if wildcards.network == "moon":
        return f"results/networks/moon/{wildcards.checkpoint}.pt"
    folder = f"results/networks/{wildcards.network}"
    return [f"{folder}/{part.attribute}/{wildcards.checkpoint}.pt" for part in PLAN.attempts(wildcards.shard)]


def checkpoints_of_targets(wildcards):
    """The converged networks that adversarial images of a kind are shown to."""
    return [f"results/networks/{member}/converged.pt" for member in PLAN.members(wildcards.network)]


def predictions_of_all(wildcards):
    """The predictions of every network."""
    members = [member for network in config["experiments"] for member in PLAN.members(network)]
    return [f"results/predictions/{member}.parquet" for member in members]


def histories_of_all(wildcards):
    """The training histories of every network."""
    members = [member for network in config["experiments"] for member in PLAN.members(network)]
    return [f"results/networks/{member}/history.csv" for member in members]


def describe_choices():
    """The parts of the configuration that decide what a run's numbers mean, without the attacks' options."""
    keys = ("seed", "sample", "attributes", "network", "training", "analysis")
    return {key: config[key] for key in keys}
