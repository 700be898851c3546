"""Draw one figure as PDF and PNG."""

from faceflip.job import job

with job(snakemake.log[0]):
    from pathlib import Path

    from faceflip.analysis.run import RunDescription
    from faceflip.figures.options import Options
    from faceflip.figures.registry import caption, make_figure
    from faceflip.files import write_text

    run = RunDescription.from_json(snakemake.input.run)
    make_figure(
        snakemake.wildcards.figure,
        {
            role: Path(file) if isinstance(file, str) else list(map(Path, file))
            for role, file in snakemake.input.items()
        },
        run,
        {kind: Path(file) for kind, file in snakemake.output.items()},
        Options(order=snakemake.params.order),
    )
    write_text(snakemake.output.caption, caption(snakemake.wildcards.figure, run))
