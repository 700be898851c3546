# Attacks, their perceptual scores, and what adversarial images do to other networks; each shard by shard.


rule attack_shard:
    input:
        dataset="results/dataset/celeba.h5",
        sample="results/dataset/sample.csv",
        checkpoints=checkpoints_of_shard,
    output:
        store="results/attacks/{network}/{checkpoint}/{attack}/{shard}.h5",
    log:
        "logs/attack_shard/{network}-{checkpoint}-{attack}-{shard}.log",
    benchmark:
        "results/benchmarks/attack_shard/{network}-{checkpoint}-{attack}-{shard}.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]["attack"]
    resources:
        mem_mb=by_attempt(2000),
        gpu=GPU,
        runtime=by_attempt(240),
    params:
        version=VERSIONS["attack"],
        seed=config["seed"],
        options=lambda wildcards: config["attacks"][wildcards.attack],
        parts=lambda wildcards: [vars(part) for part in PLAN.attempts(wildcards.shard)],
        first_attempt=lambda wildcards: PLAN.first_attempt(wildcards.shard),
        batch_size=config["compute"]["batch_size"],
        device=config["compute"]["device"],
        compression=config["store"]["compression"],
    message:
        "Attacking {wildcards.network} networks ({wildcards.checkpoint}) by {wildcards.attack}, shard {wildcards.shard}"
    script:
        "../../scripts/attack_shard.py"


rule join_shards:
    input:
        shards=expand("results/attacks/{{network}}/{{checkpoint}}/{{attack}}/{shard}.h5", shard=PLAN.shards),
    output:
        view="results/attacks/{network}/{checkpoint}/{attack}.h5",
    log:
        "logs/join_shards/{network}-{checkpoint}-{attack}.log",
    benchmark:
        "results/benchmarks/join_shards/{network}-{checkpoint}-{attack}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(30),
    params:
        version=VERSIONS["join"],
    message:
        "Joining the shards of {wildcards.network}/{wildcards.checkpoint}/{wildcards.attack}"
    script:
        "../../scripts/join_shards.py"


rule score_shard:
    input:
        dataset="results/dataset/celeba.h5",
        store="results/attacks/{network}/{checkpoint}/{attack}/{shard}.h5",
    output:
        scores="results/scores/{network}/{checkpoint}/{attack}/{shard}.parquet",
    log:
        "logs/score_shard/{network}-{checkpoint}-{attack}-{shard}.log",
    benchmark:
        "results/benchmarks/score_shard/{network}-{checkpoint}-{attack}-{shard}.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]["score"]
    resources:
        mem_mb=by_attempt(1500),
        gpu=GPU if config["similarity"]["engine"] != "cpu" else 0,
        runtime=by_attempt(60),
    params:
        version=VERSIONS["score"],
        color=config["similarity"]["color"],
        engine=config["similarity"]["engine"],
        device=config["compute"]["device"],
    message:
        "Scoring {wildcards.network}/{wildcards.checkpoint}/{wildcards.attack}, shard {wildcards.shard}, as a person sees it"
    script:
        "../../scripts/score_shard.py"


rule transfer_shard:
    input:
        dataset="results/dataset/celeba.h5",
        store="results/attacks/{network}/{checkpoint}/{attack}/{shard}.h5",
        scores="results/scores/{network}/{checkpoint}/{attack}/{shard}.parquet",
        targets=checkpoints_of_targets,
    output:
        transfers="results/portability/{network}/{checkpoint}/{attack}/{shard}.parquet",
    log:
        "logs/transfer_shard/{network}-{checkpoint}-{attack}-{shard}.log",
    benchmark:
        "results/benchmarks/transfer_shard/{network}-{checkpoint}-{attack}-{shard}.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]["attack"]
    resources:
        mem_mb=by_attempt(2000),
        gpu=GPU,
        runtime=by_attempt(60),
    params:
        version=VERSIONS["transfer"],
        threshold=config["analysis"]["threshold"],
        batch_size=config["compute"]["batch_size"],
        device=config["compute"]["device"],
    message:
        "Showing adversarial images of {wildcards.network}/{wildcards.checkpoint}/{wildcards.attack} to all networks"
    script:
        "../../scripts/transfer_shard.py"


rule scan_lines:
    input:
        dataset="results/dataset/celeba.h5",
        sample="results/dataset/sample.csv",
        stores=expand("results/attacks/{experiment}/{shard}.h5", experiment=SCANNED, shard=PLAN.shards),
        checkpoints=checkpoints_of_scans,
    output:
        scans="results/scans.parquet",
    log:
        "logs/scan_lines.log",
    benchmark:
        "results/benchmarks/scan_lines.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]["attack"]
    resources:
        mem_mb=by_attempt(2000),
        gpu=GPU,
        runtime=by_attempt(240),
    params:
        version=VERSIONS["attack"],
        images=config["analysis"]["scan_images"],
        device=config["compute"]["device"],
    message:
        "Repeating line searches on {params.images} images with every whole epsilon"
    script:
        "../../scripts/scan_lines.py"
