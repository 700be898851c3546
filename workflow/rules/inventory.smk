# What a finished run consists of, for `faceflip check results`. All outputs of a rule must stand here. Those of
# write_index do not: they tell what the jobs took, which differs from run to run, and Snakemake makes them when they miss.

MEMBERS = {network: list(PLAN.members(network)) for network in config["experiments"]}
SEPARATE_MEMBERS = MEMBERS["euclidean"] + MEMBERS["softmax"]
TRAINED = ["epoch2.pt", "converged.pt", "history.csv"]

OUTPUTS = {
    "synthetic": {
        "synthesize_faces": expand(
            "results/synthetic/{name}",
            name=["img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt", "synthetic.json"],
        ),
    },
    "dataset": {
        "pack_dataset": expand("results/dataset/{name}", name=["celeba.h5", "manifest.json", "labels.csv"]),
        "draw_sample": ["results/dataset/sample.csv"],
    },
    "networks": {
        "train_network": expand("results/networks/{member}/{name}", member=SEPARATE_MEMBERS, name=TRAINED),
        "train_moon": expand("results/networks/moon/{name}", name=TRAINED),
    },
    "predictions": {
        "predict_network": expand("results/predictions/{member}.parquet", member=SEPARATE_MEMBERS),
        "predict_moon": ["results/predictions/moon.parquet"],
        "collect_predictions": ["results/predictions.parquet"],
    },
    "attacks": {
        "attack_shard": expand("results/attacks/{part}.h5", part=SHARDS),
        "join_shards": JOINED_STORES,
    },
    "scores": {
        "score_shard": expand("results/scores/{part}.parquet", part=SHARDS),
        "collect_attempts": ["results/attempts.parquet"],
    },
    "portability": {
        "transfer_shard": expand("results/portability/{part}.parquet", part=TRANSFERS),
        "collect_transfers": ["results/transfers.parquet"],
        "scan_lines": ["results/scans.parquet"],
    },
    "pages": {
        "make_table": TABLE_FILES,
        "make_figure": FIGURE_FILES,
        "draw_gallery": ["results/gallery"],
        "describe_run": ["results/run.json"],
        "write_readme": ["results/README.md"],
    },
}
if config["dataset"]["celeba"] is not None:
    del OUTPUTS["synthetic"]

INVENTORIES = expand("results/inventory/{part}.json", part=OUTPUTS)


rule take_inventory:
    input:
        unpack(lambda wildcards: OUTPUTS[wildcards.part]),
    output:
        inventory="results/inventory/{part}.json",
    log:
        "logs/take_inventory/{part}.log",
    benchmark:
        "results/benchmarks/take_inventory/{part}.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]["pack"]
    resources:
        mem_mb=by_attempt(500),
        runtime=by_attempt(60),
    params:
        parts=list(OUTPUTS),
    message:
        "Taking the inventory of the {wildcards.part}"
    script:
        "../../scripts/take_inventory.py"
