"""Draw a look-alike of CelebA in its official layout."""

from pathlib import Path

from faceflip.job import job

with job(snakemake.log[0]) as screen:
    from faceflip.progress import Progress
    from faceflip.synthetic import write_celeba

    write_celeba(
        Path(snakemake.output.annotations).parent,
        **snakemake.params.faces,
        seed=snakemake.params.seed,
        workers=snakemake.threads,
        progress=Progress("synthesize", "faces", screen=screen),
    )
