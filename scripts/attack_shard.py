"""Attack the images of one shard and store the perturbations."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.attempt import Experiment
    from faceflip.data.sample import read_sample
    from faceflip.stages.attack import ShardOfAttempts, attack_shard
    from faceflip.workflow.plan import Part

    names, params = snakemake.wildcards, snakemake.params
    experiment = Experiment(names.sample, names.network, names.checkpoint, names.attack)
    parts = [Part(**part) for part in params.parts]
    with run.computing() as device:
        attack_shard(
            snakemake.output.store,
            ShardOfAttempts(
                experiment, int(names.shard), params.first_attempt, parts, params.options, params.seed, params.own_code
            ),
            dict(zip(params.members, run.files("checkpoints"), strict=True)),
            run.dataset,
            read_sample(snakemake.input.sample, run.dataset),
            device,
            params.compression,
            run.progress("attack", "attempts"),
        )
