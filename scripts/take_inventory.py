"""Describe the files of one part of the results, so that damage and loss can be found."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.io.inventory import take_inventory, write_inventory

    outputs = {rule: run.files(rule) for rule in snakemake.params.rules}
    entries = take_inventory(outputs, threads=snakemake.threads, progress=run.progress("inventory", "files"))
    write_inventory(snakemake.output.inventory, entries, snakemake.params.parts)
