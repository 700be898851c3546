"""Join the shards of one experiment into one view, after checking them."""

from faceflip.job import job

with job(snakemake.log[0]):
    from faceflip.store import write_joined_view

    write_joined_view(snakemake.output.view, snakemake.input.shards)
