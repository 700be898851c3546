"""Describe the files of one part of the results, so that damage and loss can be found."""

from faceflip.job import job

with job(snakemake.log[0]) as screen:
    from faceflip.inventory import take_inventory, write_inventory
    from faceflip.progress import Progress

    outputs = {rule: [files] if isinstance(files, str) else list(files) for rule, files in snakemake.input.items()}
    progress = Progress(f"inventory {'/'.join(snakemake.wildcards)}", "files", screen=screen)
    entries = take_inventory(outputs, threads=snakemake.threads, progress=progress)
    write_inventory(snakemake.output.inventory, entries, snakemake.params.parts)
