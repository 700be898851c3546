"""Run both checkpoints of one network on the test split and on the sample."""

from faceflip.job import job

with job(snakemake.log[0]):
    import pandas as pd

    from faceflip.dataset import open_dataset
    from faceflip.device import prepare
    from faceflip.plan import CHECKPOINTS
    from faceflip.predictions import predict
    from faceflip.tables import write_table

    predictions = predict(
        open_dataset(snakemake.input.dataset),
        pd.read_csv(snakemake.input.sample)["image"].to_numpy(),
        {name: snakemake.input[name] for name in CHECKPOINTS},
        device=prepare(snakemake.params.device, snakemake.threads),
        batch_size=snakemake.params.batch_size,
    )
    write_table(snakemake.output.predictions, predictions)
