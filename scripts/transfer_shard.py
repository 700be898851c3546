"""Show the adversarial images of one shard to all networks of their kind."""

from faceflip.job import job

with job(snakemake.log[0]) as screen:
    from faceflip.dataset import open_dataset
    from faceflip.device import computing_on
    from faceflip.progress import Progress
    from faceflip.tables import write_table
    from faceflip.transfers import transfer_shard

    targets = snakemake.input.targets
    jobs_per_gpu = snakemake.config["compute"]["jobs_per_gpu"]
    with computing_on(snakemake.params.device, snakemake.threads, jobs_per_gpu) as device:
        transfers = transfer_shard(
            snakemake.input.store,
            snakemake.input.scores,
            [targets] if isinstance(targets, str) else targets,
            open_dataset(snakemake.input.dataset),
            threshold=snakemake.params.threshold,
            device=device,
            batch_size=snakemake.params.batch_size,
            progress=Progress(f"transfer {'/'.join(snakemake.wildcards)}", "images", screen=screen),
        )
    write_table(snakemake.output.transfers, transfers)
