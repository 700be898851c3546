"""Put tables of the same columns under each other."""

from faceflip.job import job

with job(snakemake.log[0]):
    from faceflip.tables import concatenate, write_table

    write_table(snakemake.output.table, concatenate(snakemake.input.tables))
