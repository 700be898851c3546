"""Draw a look-alike of CelebA in its official layout."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from pathlib import Path

    from faceflip.data.synthetic import write_celeba
    from faceflip.workflow.preflight import require_attacks, require_networks

    # An unusable network is rejected before the images are drawn.
    require_networks(snakemake.config)
    require_attacks(snakemake.config)
    write_celeba(
        Path(snakemake.output.annotations).parent,
        **snakemake.params.faces,
        seed=snakemake.params.seed,
        workers=snakemake.threads,
        progress=run.progress("synthesize", "faces"),
    )
