"""Describe what was run on what data, for the first line of every table."""

from faceflip.stages.job import job

with job(snakemake):
    import json
    from pathlib import Path

    from faceflip.analysis.run import describe
    from faceflip.io.files import write_text

    manifest = json.loads(Path(snakemake.input.manifest).read_text(encoding="utf-8"))
    write_text(snakemake.output.run, describe(manifest, snakemake.params.plan).to_json())
