"""Draw the training images that are attacked in every experiment."""

from faceflip.job import job

with job(snakemake.log[0]):
    from faceflip.dataset import draw_sample, open_dataset
    from faceflip.files import replacing
    from faceflip.seeds import derive

    seed = derive(snakemake.params.seed, "sample")
    sample = draw_sample(open_dataset(snakemake.input.dataset), snakemake.params.images, seed)
    with replacing(snakemake.output.sample) as path:
        sample.to_csv(path, index=False, lineterminator="\n")
