"""Score the flipped images of one shard as a person would see them."""

from faceflip.job import job

with job(snakemake.log[0]) as screen:
    from faceflip.dataset import open_dataset
    from faceflip.device import accelerator
    from faceflip.progress import Progress
    from faceflip.scores import score_shard
    from faceflip.tables import write_table

    device = "cpu" if snakemake.params.engine == "cpu" else snakemake.params.device
    with accelerator(device, snakemake.config["compute"]["jobs_per_gpu"]) as gpu:
        scores = score_shard(
            snakemake.input.store,
            open_dataset(snakemake.input.dataset),
            color=snakemake.params.color,
            engine=snakemake.params.engine,
            threads=snakemake.threads,
            device=gpu,
            progress=Progress(f"score {'/'.join(snakemake.wildcards)}", "pairs", screen=screen),
        )
    write_table(snakemake.output.scores, scores)
