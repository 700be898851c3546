"""Draw one figure as PDF and PNG, one PNG for dark screens."""

from faceflip.stages.job import job

with job(snakemake):
    from dataclasses import replace
    from pathlib import Path

    from faceflip.analysis.run import RunDescription
    from faceflip.figures.make import make_figure
    from faceflip.workflow.products import Product

    make_figure(
        Product(**snakemake.params.product),
        {
            role: Path(file) if isinstance(file, str) else list(map(Path, file))
            for role, file in snakemake.input.items()
        },
        replace(RunDescription.from_json(snakemake.input.run), **snakemake.params.more),
        {kind: Path(file) for kind, file in snakemake.output.items()},
    )
