"""Link the tables and figures by the names that the paper has for them."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from pathlib import Path

    from faceflip.report.paper_names import link_paper_names

    link_paper_names(Path(snakemake.output.folder), snakemake.params.names, run.files("files"))
