"""Describe the files of one part of the results, so that damage and loss can be found."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from os.path import relpath

    from faceflip.io.inventory import take_inventory, write_inventory

    root = snakemake.params.root
    outputs = {rule: [relpath(file, root) for file in run.files(rule)] for rule in snakemake.params.rules}
    entries = take_inventory(outputs, root, snakemake.threads, run.progress("inventory", "files"))
    write_inventory(snakemake.output.inventory, entries, snakemake.params.parts)
