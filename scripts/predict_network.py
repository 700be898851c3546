"""Run all checkpoints of some members of a network on the test split and on the samples."""

from faceflip.stages.job import job

with job(snakemake) as run:
    import pandas as pd

    from faceflip.data.sample import read_sample
    from faceflip.io.paths import folder_of
    from faceflip.io.tables import write_table
    from faceflip.stages.predict import predict

    network, params = snakemake.wildcards.network, snakemake.params
    samples = dict(zip(params.samples, run.files("samples"), strict=True))
    samples = {name: read_sample(file, run.dataset) for name, file in samples.items()}
    files = iter(run.files("checkpoints"))
    with run.computing() as device:
        predictions = [
            predict(
                run.dataset,
                samples,
                {checkpoint: next(files) for checkpoint in params.checkpoints},
                network,
                attributes,
                device,
                params.batch_size,
                run.progress("predict", "images", name=f"{network}/{folder_of(member)}"),
                params.own_code,
            )
            for member, attributes in params.members.items()
        ]
    write_table(snakemake.output.predictions, pd.concat(predictions, ignore_index=True))
