"""Draw a look-alike of CelebA in its official layout."""

from pathlib import Path

from faceflip.job import job

with job(snakemake.log[0]) as screen:
    from faceflip.progress import Progress
    from faceflip.synthetic import write_celeba
    from faceflip.trial import require_network

    # A network that will not do is told now, not when all images are there.
    require_network(snakemake.config)
    write_celeba(
        Path(snakemake.output.annotations).parent,
        **snakemake.params.faces,
        seed=snakemake.params.seed,
        workers=snakemake.threads,
        progress=Progress("synthesize", "faces", screen=screen),
    )
