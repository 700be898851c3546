"""Attack the checkpoints of one shard and write its perturbation store."""

from faceflip.job import job

with job(snakemake.log[0]) as screen:
    from faceflip.dataset import open_dataset, read_sample
    from faceflip.device import computing_on
    from faceflip.plan import Attempts, Experiment
    from faceflip.progress import Progress
    from faceflip.shards import attack_shard

    names = snakemake.wildcards
    params = snakemake.params
    checkpoints = snakemake.input.checkpoints
    experiment = Experiment(names.network, names.checkpoint, names.attack)
    dataset = open_dataset(snakemake.input.dataset)
    with computing_on(params.device, snakemake.threads, snakemake.config["compute"]["jobs_per_gpu"]) as device:
        attack_shard(
            snakemake.output.store,
            experiment,
            shard=int(names.shard),
            first_attempt=params.first_attempt,
            parts=[Attempts(**part) for part in params.parts],
            checkpoints=[checkpoints] if isinstance(checkpoints, str) else checkpoints,
            dataset=dataset,
            sample=read_sample(snakemake.input.sample, dataset),
            options=params.options,
            batch_size=params.batch_size,
            device=device,
            seed=params.seed,
            compression=params.compression,
            progress=Progress(f"attack {experiment}/{names.shard}", "attempts", screen=screen),
        )
