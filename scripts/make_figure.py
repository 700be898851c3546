"""Draw one figure as PDF and PNG."""

from faceflip.job import job

with job(snakemake.log[0]):
    from pathlib import Path

    from faceflip.analysis.run import RunDescription
    from faceflip.figures.options import Options
    from faceflip.figures.registry import make_figure

    make_figure(
        snakemake.wildcards.figure,
        {
            role: Path(file) if isinstance(file, str) else list(map(Path, file))
            for role, file in snakemake.input.items()
        },
        RunDescription.from_json(snakemake.input.run),
        {kind: Path(file) for kind, file in snakemake.output.items()},
        Options(order=snakemake.params.order),
    )
