"""Score the flipped images of one shard as a person would see them."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.data.packed import open_dataset
    from faceflip.io.tables import write_table
    from faceflip.stages.score import score_shard

    params = snakemake.params
    with run.accelerator("cpu" if params.engine == "cpu" else params.device) as gpu:
        scores = score_shard(
            snakemake.input.store,
            open_dataset(snakemake.input.dataset),
            color=params.color,
            engine=params.engine,
            threads=snakemake.threads,
            device=gpu,
            metrics=params.metrics,
            progress=run.progress("score", "pairs"),
        )
    write_table(snakemake.output.scores, scores)
