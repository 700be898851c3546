"""Describe the files of one part of the results, so that damage and loss can be found."""

from faceflip.job import job

with job(snakemake.log[0]):
    from faceflip.inventory import take_inventory, write_inventory

    outputs = {rule: [files] if isinstance(files, str) else list(files) for rule, files in snakemake.input.items()}
    entries = take_inventory(outputs, threads=snakemake.threads)
    write_inventory(snakemake.output.inventory, entries, snakemake.params.parts)
