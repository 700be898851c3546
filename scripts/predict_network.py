"""Run all checkpoints of one network on the test split and on the samples."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.data.sample import read_sample
    from faceflip.io.tables import write_table
    from faceflip.stages.predict import predict

    params = snakemake.params
    samples = zip(params.samples, run.files("samples"), strict=True)
    with run.computing() as device:
        predictions = predict(
            run.dataset,
            {name: read_sample(file, run.dataset) for name, file in samples},
            dict(zip(params.checkpoints, run.files("checkpoints"), strict=True)),
            snakemake.wildcards.network,
            params.attributes,
            device,
            params.batch_size,
            run.progress("predict", "images"),
            params.own_code,
        )
    write_table(snakemake.output.predictions, predictions)
