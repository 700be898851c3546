"""Collect the attempts of all shards, with their similarities, into one table."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.data.label_doubt import doubted_pairs
    from faceflip.io.tables import write_table
    from faceflip.stages.collect import collect_attempts

    pairs = zip(run.files("shards"), run.files("scores"), strict=True)
    doubts = next(map(doubted_pairs, run.files("doubts")), None)
    write_table(snakemake.output.attempts, collect_attempts(pairs, snakemake.params.metrics, doubts))
