"""Write the page at the root of the results: what was run, what came out, and where everything is."""

from faceflip.stages.job import job

with job(snakemake):
    from dataclasses import replace
    from pathlib import Path

    from faceflip.analysis.run import RunDescription
    from faceflip.report.readme import write_readme
    from faceflip.workflow.products import Product

    params, inputs = snakemake.params, snakemake.input
    write_readme(
        Path(snakemake.output.page),
        replace(RunDescription.from_json(Path(inputs.run)), attacks=params.attacks),
        tables={name: Product(**each) for name, each in params.tables.items()},
        figures={name: Product(**each) for name, each in params.figures.items()},
        manifest=Path(inputs.manifest),
        errors=Path(inputs.errors),
        attempts=Path(inputs.attempts),
        warnings=Path(inputs.warnings),
    )
