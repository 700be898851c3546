# The tidy tables from which everything else is computed.


rule collect_attempts:
    input:
        shards=expand("results/attacks/{part}.h5", part=SHARDS),
        scores=expand("results/scores/{part}.parquet", part=SHARDS),
    output:
        attempts="results/attempts.parquet",
    log:
        "logs/collect_attempts.log",
    benchmark:
        "results/benchmarks/collect_attempts.tsv"
    message:
        "Collecting all attempts into one table"
    params:
        version=VERSIONS["collect"],
    resources:
        mem_mb=2000,
        runtime=30,
    conda:
        ENVIRONMENT
    script:
        "../../scripts/collect_attempts.py"


rule collect_predictions:
    input:
        tables=predictions_of_all,
    output:
        table="results/predictions.parquet",
    log:
        "logs/collect_predictions.log",
    benchmark:
        "results/benchmarks/collect_predictions.tsv"
    message:
        "Collecting the predictions of all networks into one table"
    params:
        version=VERSIONS["collect"],
    resources:
        mem_mb=2000,
        runtime=30,
    conda:
        ENVIRONMENT
    script:
        "../../scripts/concatenate_tables.py"


use rule collect_predictions as collect_transfers with:
    input:
        tables=expand("results/portability/{part}.parquet", part=TRANSFERS),
    output:
        table="results/transfers.parquet",
    log:
        "logs/collect_transfers.log",
    benchmark:
        "results/benchmarks/collect_transfers.tsv"
    message:
        "Collecting what adversarial images do to other networks into one table"


rule describe_run:
    input:
        manifest="results/dataset/manifest.json",
    output:
        run="results/run.json",
    log:
        "logs/describe_run.log",
    benchmark:
        "results/benchmarks/describe_run.tsv"
    message:
        "Describing the run"
    params:
        version=VERSIONS["collect"],
        config=lambda wildcards: config,
    resources:
        mem_mb=500,
        runtime=10,
    conda:
        ENVIRONMENT
    script:
        "../../scripts/describe_run.py"
