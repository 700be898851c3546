"""Write the pages for people with a browser: everything that the run found, and what it took."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from dataclasses import replace
    from pathlib import Path

    from faceflip.analysis.run import RunDescription
    from faceflip.report.index import write_pages
    from faceflip.workflow.products import Product

    params, inputs = snakemake.params, snakemake.input
    write_pages(
        Path(snakemake.output.page),
        Path(snakemake.output.runtime),
        replace(RunDescription.from_json(Path(inputs.run)), attacks=params.attacks),
        tables={name: Product(**each) for name, each in params.tables.items()},
        figures={name: Product(**each) for name, each in params.figures.items()},
        pages=run.files("tables"),
        manifest=Path(inputs.manifest),
        errors=Path(inputs.errors),
        attempts=Path(inputs.attempts),
        warnings=Path(inputs.warnings),
        gallery=Path(inputs.gallery),
        benchmarks=Path(params.benchmarks),
    )
