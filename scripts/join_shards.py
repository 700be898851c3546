"""Join the shards of one experiment into one view, after checking them."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.store import write_joined_view

    write_joined_view(snakemake.output.view, run.files("shards"))
