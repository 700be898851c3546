"""Repeat some attempts of the line searches by trying every whole epsilon."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.data.sample import read_sample
    from faceflip.io.tables import write_table
    from faceflip.stages.scan import scan_shards

    images = read_sample(snakemake.input.sample, run.dataset)[: snakemake.params.images]
    with run.computing() as device:
        scans = scan_shards(
            run.files("stores"),
            run.files("checkpoints"),
            images,
            run.dataset,
            device,
            run.progress("scan", "shards"),
            snakemake.params.own_code,
        )
    write_table(snakemake.output.scans, scans)
