"""Draw the training images that are attacked in every experiment."""

from faceflip.job import job

with job(snakemake.log[0]):
    from faceflip.dataset import draw_sample, open_dataset, write_sample
    from faceflip.seeds import derive

    seed = derive(snakemake.params.seed, "sample")
    sample = draw_sample(open_dataset(snakemake.input.dataset), snakemake.params.images, seed)
    write_sample(snakemake.output.sample, sample)
