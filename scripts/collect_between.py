"""Put what adversarial images do to other networks under each other."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.io.tables import concatenate, write_table

    write_table(snakemake.output.table, concatenate(run.files("tables")))
