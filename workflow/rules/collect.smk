# The tidy tables from which everything else is computed.


rule collect_attempts:
    input:
        shards=RULES["attack_shard"].files,
        scores=RULES["score_shard"].files,
        doubts=RULES["doubt_labels"].files,
    output:
        **RULES["collect_attempts"].outputs,
    log:
        RULES["collect_attempts"].log,
    benchmark:
        RULES["collect_attempts"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=2000, runtime=30),
    params:
        version=VERSIONS["collect"],
        metrics=list(SETTINGS.similarity.metrics),
    message:
        "Collecting all attempts into one table"
    script:
        "../../scripts/collect_attempts.py"


rule collect_predictions:
    input:
        tables=RULES["predict_network"].files,
    output:
        **RULES["collect_predictions"].outputs,
    log:
        RULES["collect_predictions"].log,
    benchmark:
        RULES["collect_predictions"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=2000, runtime=30),
    params:
        version=VERSIONS["collect"],
    message:
        "Collecting the predictions of all networks into one table"
    script:
        "../../scripts/collect_predictions.py"


rule collect_transfers:
    input:
        tables=RULES["transfer_shard"].files,
    output:
        **RULES["collect_transfers"].outputs,
    log:
        RULES["collect_transfers"].log,
    benchmark:
        RULES["collect_transfers"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=2000, runtime=30),
    params:
        version=VERSIONS["collect"],
    message:
        "Collecting what adversarial images do to other decisions into one table"
    script:
        "../../scripts/collect_transfers.py"


rule collect_between:
    input:
        tables=RULES["transfer_between"].files,
    output:
        **RULES["collect_between"].outputs,
    log:
        RULES["collect_between"].log,
    benchmark:
        RULES["collect_between"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=2000, runtime=30),
    params:
        version=VERSIONS["collect"],
    message:
        "Collecting what adversarial images do to other networks into one table"
    script:
        "../../scripts/collect_between.py"


rule describe_run:
    input:
        manifest=paths.MANIFEST,
    output:
        **RULES["describe_run"].outputs,
    log:
        RULES["describe_run"].log,
    benchmark:
        RULES["describe_run"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=500, runtime=10),
    params:
        version=VERSIONS["collect"],
        # The description holds the definition of PASS, which changes with the scores.
        scores=VERSIONS["score"],
        plan=PLAN.description(),
    message:
        "Describing the run"
    script:
        "../../scripts/describe_run.py"
