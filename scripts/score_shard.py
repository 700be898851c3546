"""Score the flipped images of one shard as a person would see them."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.io.tables import write_table
    from faceflip.runtime.device import accelerator
    from faceflip.stages.score import score_shard

    params = snakemake.params
    with accelerator("cpu" if params.engine == "cpu" else params.device, run.compute.jobs_per_gpu) as gpu:
        scores = score_shard(
            snakemake.input.store,
            run.dataset,
            color=params.color,
            engine=params.engine,
            threads=snakemake.threads,
            device=gpu,
            metrics=params.metrics,
            progress=run.progress("score", "pairs"),
        )
    write_table(snakemake.output.scores, scores)
