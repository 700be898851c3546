"""Make one table as CSV, Markdown, LaTeX and HTML."""

from faceflip.job import job

with job(snakemake.log[0]):
    from dataclasses import replace
    from pathlib import Path

    from faceflip.analysis.registry import make_table
    from faceflip.analysis.run import RunDescription

    make_table(
        snakemake.wildcards.table,
        {role: Path(file) for role, file in snakemake.input.items()},
        replace(RunDescription.from_json(snakemake.input.run), attacks=snakemake.params.attacks),
        {kind: Path(file) for kind, file in snakemake.output.items()},
        intervals=snakemake.params.intervals,
    )
