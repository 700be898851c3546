"""Repeat some attempts of the line searches by trying every whole epsilon."""

from faceflip.job import job

with job(snakemake.log[0]) as screen:
    from faceflip.dataset import open_dataset, read_sample
    from faceflip.device import computing_on
    from faceflip.progress import Progress
    from faceflip.scans import scan_shards
    from faceflip.tables import write_table

    dataset = open_dataset(snakemake.input.dataset)
    jobs_per_gpu = snakemake.config["compute"]["jobs_per_gpu"]
    with computing_on(snakemake.params.device, snakemake.threads, jobs_per_gpu) as device:
        scans = scan_shards(
            snakemake.input.get("stores", []),
            snakemake.input.get("checkpoints", []),
            read_sample(snakemake.input.sample, dataset)[: snakemake.params.images],
            dataset,
            device,
            progress=Progress("scan", "shards", screen=screen),
        )
    write_table(snakemake.output.scans, scans)
