# Attacks, their similarities, and what adversarial images do to other decisions; each shard by shard.


rule attack_shard:
    input:
        **PACKED,
        sample=paths.SAMPLE,
        checkpoints=lambda wildcards: checkpoints_of(
            wildcards.network,
            wildcards.checkpoint,
            PLAN.members_of_shard(experiment_of(wildcards), wildcards.shard),
        ),
        code=lambda wildcards: code_files(network_of(wildcards).own_code + PLAN.attacks[wildcards.attack].own_code),
    output:
        **RULES["attack_shard"].outputs,
    log:
        RULES["attack_shard"].log,
    benchmark:
        RULES["attack_shard"].benchmark
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.attack
    resources:
        **by_attempt(mem_mb=2000, runtime=240),
        gpu=GPU,
    params:
        version=VERSIONS["attack"],
        seed=SETTINGS.seed,
        options=lambda wildcards: {**ATTACK_OPTIONS[wildcards.attack], "batch_size": COMPUTE.batch_size},
        parts=lambda wildcards: [vars(part) for part in PLAN.parts(experiment_of(wildcards), wildcards.shard)],
        members=lambda wildcards: PLAN.members_of_shard(experiment_of(wildcards), wildcards.shard),
        first_attempt=lambda wildcards: PLAN.first_attempt(wildcards.shard),
        own_code=lambda wildcards: network_of(wildcards).own_code,
        device=COMPUTE.device,
        compression=SETTINGS.store.compression,
    message:
        "Attacking {wildcards.network} ({wildcards.checkpoint}) by {wildcards.attack}, shard {wildcards.shard}"
    script:
        "../../scripts/attack_shard.py"


rule join_shards:
    input:
        shards=lambda wildcards: [
            paths.STORE.of(**wildcards, shard=shard) for shard in PLAN.shards(experiment_of(wildcards))
        ],
    output:
        **RULES["join_shards"].outputs,
    log:
        RULES["join_shards"].log,
    benchmark:
        RULES["join_shards"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=1000, runtime=30),
    params:
        version=VERSIONS["join"],
    message:
        "Joining the shards of {wildcards.sample}/{wildcards.network}/{wildcards.checkpoint}/{wildcards.attack}"
    script:
        "../../scripts/join_shards.py"


rule score_shard:
    input:
        **PACKED,
        store=paths.STORE,
        code=code_files(SETTINGS.similarity.metrics.values()),
    output:
        **RULES["score_shard"].outputs,
    log:
        RULES["score_shard"].log,
    benchmark:
        RULES["score_shard"].benchmark
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.score
    resources:
        **by_attempt(mem_mb=1500, runtime=60),
        gpu=GPU if SETTINGS.similarity.engine != "cpu" else 0,
    params:
        version=VERSIONS["score"],
        color=SETTINGS.similarity.color,
        engine=SETTINGS.similarity.engine,
        metrics=SETTINGS.similarity.metrics,
        device=COMPUTE.device,
    message:
        "Scoring {wildcards.network}/{wildcards.checkpoint}/{wildcards.attack}, shard {wildcards.shard}, as a person sees it"
    script:
        "../../scripts/score_shard.py"


rule transfer_shard:
    input:
        **PACKED,
        store=paths.STORE,
        scores=paths.SCORES,
        targets=lambda wildcards: final_checkpoints_of(network_of(wildcards)),
        code=lambda wildcards: code_files(network_of(wildcards).own_code),
    output:
        **RULES["transfer_shard"].outputs,
    log:
        RULES["transfer_shard"].log,
    benchmark:
        RULES["transfer_shard"].benchmark
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.attack
    resources:
        **by_attempt(mem_mb=2000, runtime=60),
        gpu=GPU,
    params:
        version=VERSIONS["transfer"],
        threshold=SETTINGS.analysis.threshold,
        own_code=lambda wildcards: network_of(wildcards).own_code,
        batch_size=COMPUTE.batch_size,
        device=COMPUTE.device,
    message:
        "Showing adversarial images of {wildcards.network}/{wildcards.checkpoint}/{wildcards.attack} to all its members"
    script:
        "../../scripts/transfer_shard.py"


rule transfer_between:
    input:
        **PACKED,
        store=paths.STORE,
        scores=paths.SCORES,
        targets=lambda wildcards: [
            file
            for other, members in PLAN.targets_between(experiment_of(wildcards), wildcards.shard)
            for file in checkpoints_of(other.name, other.final, members)
        ],
        code=lambda wildcards: code_files(code_of_others(wildcards)),
    output:
        **RULES["transfer_between"].outputs,
    log:
        RULES["transfer_between"].log,
    benchmark:
        RULES["transfer_between"].benchmark
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.attack
    resources:
        **by_attempt(mem_mb=2000, runtime=60),
        gpu=GPU,
    params:
        version=VERSIONS["between"],
        threshold=SETTINGS.analysis.threshold,
        own_code=code_of_others,
        batch_size=COMPUTE.batch_size,
        device=COMPUTE.device,
    message:
        "Showing adversarial images of {wildcards.network}/{wildcards.checkpoint}/{wildcards.attack} to other networks"
    script:
        "../../scripts/transfer_between.py"


rule scan_lines:
    input:
        **PACKED,
        sample=paths.SAMPLE.of(sample=PLAN.sample),
        stores=[
            paths.STORE.of(**vars(experiment), shard=shard)
            for experiment in PLAN.scanned
            for shard in PLAN.shards(experiment)
        ],
        checkpoints=[
            file
            for network in dict.fromkeys(experiment.network for experiment in PLAN.scanned)
            for file in final_checkpoints_of(PLAN.networks[network])
        ],
        code=code_files(PLAN.scanned_code),
    output:
        **RULES["scan_lines"].outputs,
    log:
        RULES["scan_lines"].log,
    benchmark:
        RULES["scan_lines"].benchmark
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.attack
    resources:
        **by_attempt(mem_mb=2000, runtime=240),
        gpu=GPU,
    params:
        version=VERSIONS["attack"],
        images=SETTINGS.analysis.scan_images,
        own_code=PLAN.scanned_code,
        device=COMPUTE.device,
    message:
        "Repeating line searches on {params.images} images with every whole epsilon"
    script:
        "../../scripts/scan_lines.py"
