"""Draw the images of a sample, which are attacked."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.data.sample import draw_sample, read_sample, write_sample

    name, params = snakemake.wildcards.sample, snakemake.params
    apart = [read_sample(file, run.dataset) for file in run.files("apart")]
    sample = draw_sample(run.dataset, name, params.split, params.images, params.seed, apart)
    write_sample(snakemake.output.sample, sample)
