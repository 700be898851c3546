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
    conda:
        ENVIRONMENT
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        version=VERSIONS["collect"],
    message:
        "Collecting all attempts into one table"
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
    conda:
        ENVIRONMENT
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        version=VERSIONS["collect"],
    message:
        "Collecting the predictions of all networks into one table"
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
    conda:
        ENVIRONMENT
    resources:
        mem_mb=by_attempt(500),
        runtime=by_attempt(10),
    params:
        version=VERSIONS["collect"],
        # The description holds the definition of PASS, which changes with the scores.
        scores=VERSIONS["score"],
        choices=describe_choices(),
    message:
        "Describing the run"
    script:
        "../../scripts/describe_run.py"


rule write_readme:
    input:
        run="results/run.json",
        manifest="results/dataset/manifest.json",
        errors="results/tables/classification_error.csv",
        attempts="results/attempts.parquet",
    output:
        page="results/README.md",
    log:
        "logs/write_readme.log",
    benchmark:
        "results/benchmarks/write_readme.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(10),
    params:
        version=VERSIONS["analyse"],
        attacks=config["attacks"],
    message:
        "Writing results/README.md"
    script:
        "../../scripts/write_readme.py"
