"""Show the adversarial images of one shard to other networks that decide on the attacked attributes."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.io.tables import write_table
    from faceflip.stages.transfer import transfer_between

    with run.computing() as device:
        transfers = transfer_between(
            snakemake.input.store,
            snakemake.input.scores,
            run.files("targets"),
            run.dataset,
            threshold=snakemake.params.threshold,
            device=device,
            batch_size=snakemake.params.batch_size,
            progress=run.progress("transfer", "networks"),
            own_code=snakemake.params.own_code,
        )
    write_table(snakemake.output.transfers, transfers)
