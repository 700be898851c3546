"""Draw the images of a sample, which are attacked."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.data.sample import draw_sample, write_sample

    name, params = snakemake.wildcards.sample, snakemake.params
    sample = draw_sample(run.dataset, name, params.split, params.images, params.seed)
    write_sample(snakemake.output.sample, sample)
