"""Run both checkpoints of one network on the test split and on the sample."""

from faceflip.job import job

with job(snakemake.log[0]) as screen:
    from faceflip.dataset import open_dataset, read_sample
    from faceflip.device import computing_on
    from faceflip.plan import CHECKPOINTS, MOON, attributes_of_network
    from faceflip.predictions import predict
    from faceflip.progress import Progress
    from faceflip.tables import write_table

    objective = snakemake.wildcards.get("loss", MOON)
    dataset = open_dataset(snakemake.input.dataset)
    jobs_per_gpu = snakemake.config["compute"]["jobs_per_gpu"]
    with computing_on(snakemake.params.device, snakemake.threads, jobs_per_gpu) as device:
        predictions = predict(
            dataset,
            read_sample(snakemake.input.sample, dataset),
            {name: snakemake.input[name] for name in CHECKPOINTS},
            objective,
            attributes_of_network(objective, snakemake.wildcards.get("attribute")),
            device=device,
            batch_size=snakemake.params.batch_size,
            progress=Progress(f"predict {'/'.join(snakemake.wildcards) or MOON}", "images", screen=screen),
        )
    write_table(snakemake.output.predictions, predictions)
