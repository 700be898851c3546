"""Describe what was run on what data, for the first line of every table."""

from faceflip.stages.job import job

with job(snakemake):
    from faceflip.analysis.run import describe
    from faceflip.io.files import read_json, write_text

    manifest = read_json(snakemake.input.manifest)
    write_text(snakemake.output.run, describe(manifest, snakemake.params.plan).to_json())
