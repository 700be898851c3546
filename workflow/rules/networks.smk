# Trainings, networks that were trained elsewhere, fine-tunings, and predictions. Most networks have a member for each attribute, or one
# for all: one job a member, or for several members that are trained or predict.


# Trainings that one job does together have a rule of their own. It goes before the one that does each alone.
BUNDLES = list(bundles_of(PLAN, RULES, lambda file: os.path.exists(placed(file))))
for bundle in BUNDLES:
    workflow.ruleorder(bundle.name, bundle.instead.name)

for training, together in ((RULES["train_network"], ()), *((bundle, bundle.members) for bundle in BUNDLES)):

    rule:
        name:
            training.name
        input:
            **PACKED,
            code=lambda wildcards: code_files(network_of(wildcards).own_code),
        output:
            **training.outputs,
        log:
            training.log,
        benchmark:
            training.benchmark
        wildcard_constraints:
            network="|".join(sorted({re.escape(job["network"]) for job in training.jobs})) or "none",
        # Before what can be done already with other networks, or the last training would go on alone. Networks of all
        # attributes have more to learn and often more epochs: they come first.
        priority: lambda wildcards: 1 + network_of(wildcards).joint
        conda:
            ENVIRONMENT
        threads: COMPUTE.threads.train
        resources:
            **by_attempt(mem_mb=1500, runtime=720 * max(len(together), 1)),
            gpu=GPU,
        params:
            version=VERSIONS["train"],
            seed=lambda wildcards: SETTINGS.seed_of(network_of(wildcards).settings.training),
            loss=lambda wildcards: network_of(wildcards).settings.loss,
            per=lambda wildcards: network_of(wildcards).settings.per,
            # Those of a network of all; each of the others is of one, its member.
            attributes=lambda wildcards: network_of(wildcards).joint and list(network_of(wildcards).attributes),
            architecture=lambda wildcards: network_of(wildcards).settings.architecture.model_dump(),
            # Without its seed, which stands above: trainings from before it had one are not made anew.
            training=lambda wildcards: network_of(wildcards).settings.training.model_dump(exclude={"seed"}),
            device=COMPUTE.device,
            members=trained(together),
        message:
            f"Training {{wildcards.network}} for {plain(', '.join(together)) or '{wildcards.member}'}"
        script:
            "../../scripts/train_network.py"


rule bring_network:
    input:
        **PACKED,
        weights=lambda wildcards: own(network_of(wildcards).files),
        code=lambda wildcards: code_files(network_of(wildcards).own_code),
    output:
        **RULES["bring_network"].outputs,
    log:
        RULES["bring_network"].log,
    benchmark:
        RULES["bring_network"].benchmark
    # Before all trainings: what is wrong with a network that was brought is reported before hours are spent on others.
    priority: 3
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.attack
    resources:
        **by_attempt(mem_mb=2000, runtime=60),
        gpu=GPU,
    params:
        version=VERSIONS["bring"],
        loss=lambda wildcards: network_of(wildcards).settings.loss,
        attributes=lambda wildcards: list(network_of(wildcards).attributes),
        brought=lambda wildcards: network_of(wildcards).settings.brought.model_dump(),
        weights=lambda wildcards: network_of(wildcards).settings.weights,
        entry=lambda wildcards: network_of(wildcards).settings.entry,
        library=lambda wildcards: network_of(wildcards).library,
        batch_size=COMPUTE.batch_size,
        device=COMPUTE.device,
    message:
        "Bringing the network {wildcards.network}"
    script:
        "../../scripts/bring_network.py"


rule fine_tune:
    input:
        **PACKED,
        source=lambda wildcards: paths.CHECKPOINT.of(
            network=network_of(wildcards).source.name,
            member=wildcards.member,
            checkpoint=network_of(wildcards).checkpoint,
        ),
        stores=lambda wildcards: fodder_of(wildcards, paths.STORE),
        scores=lambda wildcards: fodder_of(wildcards, paths.SCORES),
        held_out=[paths.SAMPLE.of(sample=name) for name in PLAN.held_out],
        doubts=lambda wildcards: doubts_of(network_of(wildcards)),
        code=lambda wildcards: code_files(network_of(wildcards).own_code),
    output:
        **RULES["fine_tune"].outputs,
    log:
        RULES["fine_tune"].log,
    benchmark:
        RULES["fine_tune"].benchmark
    priority: lambda wildcards: 1 + network_of(wildcards).joint  # as of trainings
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.train
    resources:
        **by_attempt(mem_mb=1500, runtime=720),
        gpu=GPU,
    params:
        version=VERSIONS["tune"],
        seed=lambda wildcards: SETTINGS.seed_of(network_of(wildcards).settings.training),
        member=lambda wildcards: member_of(wildcards),
        attributes=lambda wildcards: list(network_of(wildcards).attributes_of(member_of(wildcards))),
        tuning=lambda wildcards: network_of(wildcards).settings.heeded,
        training=lambda wildcards: network_of(wildcards).settings.training.model_dump(exclude={"seed", *OF_SCHEDULE}),
        threshold=lambda wildcards: SETTINGS.analysis.threshold if network_of(wildcards).settings.of_store else None,
        own_code=lambda wildcards: network_of(wildcards).own_code,
        device=COMPUTE.device,
    message:
        "Fine-tuning {wildcards.network} for {wildcards.member}"
    script:
        "../../scripts/fine_tune.py"


rule predict_network:
    input:
        **PACKED,
        samples=lambda wildcards: [paths.SAMPLE.of(sample=name) for name in PLAN.samples_of(wildcards.network)],
        checkpoints=lambda wildcards: [
            paths.CHECKPOINT.of(network=wildcards.network, member=paths.folder_of(member), checkpoint=name)
            for member in network_of(wildcards).predicted[wildcards.shard]
            for name in network_of(wildcards).checkpoints
        ],
        code=lambda wildcards: code_files(network_of(wildcards).own_code),
    output:
        **RULES["predict_network"].outputs,
    log:
        RULES["predict_network"].log,
    benchmark:
        RULES["predict_network"].benchmark
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.attack
    resources:
        **by_attempt(mem_mb=1500, runtime=240),
        gpu=GPU,
    params:
        version=VERSIONS["predict"],
        samples=lambda wildcards: list(PLAN.samples_of(wildcards.network)),
        checkpoints=lambda wildcards: network_of(wildcards).checkpoints,
        members=lambda wildcards: {
            member: list(network_of(wildcards).attributes_of(member))
            for member in network_of(wildcards).predicted[wildcards.shard]
        },
        own_code=lambda wildcards: network_of(wildcards).own_code,
        batch_size=COMPUTE.batch_size,
        device=COMPUTE.device,
    message:
        "Predicting with {wildcards.network}, shard {wildcards.shard}"
    script:
        "../../scripts/predict_network.py"
