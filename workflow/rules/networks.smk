# Training and predictions. MOON is one network of all attributes; the others are one an attribute and loss.


rule train_network:
    input:
        dataset="results/dataset/celeba.h5",
    output:
        epoch2="results/networks/{loss}/{attribute}/epoch2.pt",
        converged="results/networks/{loss}/{attribute}/converged.pt",
        history="results/networks/{loss}/{attribute}/history.csv",
    log:
        "logs/train_network/{loss}-{attribute}.log",
    benchmark:
        "results/benchmarks/train_network/{loss}-{attribute}.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]["train"]
    resources:
        mem_mb=by_attempt(1500),
        gpu=GPU,
        runtime=by_attempt(720),
    params:
        version=VERSIONS["train"],
        seed=config["seed"],
        network=config["network"],
        training=config["training"]["separate"],
        device=config["compute"]["device"],
    message:
        "Training the {wildcards.loss} network for {wildcards.attribute}"
    script:
        "../../scripts/train_network.py"


use rule train_network as train_moon with:
    output:
        epoch2="results/networks/moon/epoch2.pt",
        converged="results/networks/moon/converged.pt",
        history="results/networks/moon/history.csv",
    log:
        "logs/train_moon.log",
    benchmark:
        "results/benchmarks/train_moon.tsv"
    # MOON has more epochs than the others in the embedded default: start it first, so that it is not last.
    priority: 1
    params:
        version=VERSIONS["train"],
        seed=config["seed"],
        network=config["network"],
        training=config["training"]["moon"],
        device=config["compute"]["device"],
    message:
        "Training MOON"


rule predict_network:
    input:
        dataset="results/dataset/celeba.h5",
        sample="results/dataset/sample.csv",
        epoch2="results/networks/{loss}/{attribute}/epoch2.pt",
        converged="results/networks/{loss}/{attribute}/converged.pt",
    output:
        predictions="results/predictions/{loss}/{attribute}.parquet",
    log:
        "logs/predict_network/{loss}-{attribute}.log",
    benchmark:
        "results/benchmarks/predict_network/{loss}-{attribute}.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]["attack"]
    resources:
        mem_mb=by_attempt(1500),
        gpu=GPU,
        runtime=by_attempt(60),
    params:
        version=VERSIONS["predict"],
        batch_size=config["compute"]["batch_size"],
        device=config["compute"]["device"],
    message:
        "Predicting with the {wildcards.loss} networks for {wildcards.attribute}"
    script:
        "../../scripts/predict_network.py"


use rule predict_network as predict_moon with:
    input:
        dataset="results/dataset/celeba.h5",
        sample="results/dataset/sample.csv",
        epoch2="results/networks/moon/epoch2.pt",
        converged="results/networks/moon/converged.pt",
    output:
        predictions="results/predictions/moon.parquet",
    log:
        "logs/predict_moon.log",
    benchmark:
        "results/benchmarks/predict_moon.tsv"
    message:
        "Predicting with MOON"
