"""Collect the attempts of all shards, with their scores, into one table."""

from faceflip.job import job

with job(snakemake.log[0]):
    from faceflip.attempts import collect_attempts
    from faceflip.tables import write_table

    pairs = zip(snakemake.input.shards, snakemake.input.scores, strict=True)
    write_table(snakemake.output.attempts, collect_attempts(pairs))
