"""Train one network, separate or MOON, and keep both its checkpoints and its history."""

from faceflip.job import job

with job(snakemake.log[0]) as screen:
    from faceflip.dataset import open_dataset
    from faceflip.device import computing_on
    from faceflip.networks import NetworkSpec
    from faceflip.plan import MOON, attributes_of_network
    from faceflip.training import TrainingOptions
    from faceflip.training.run import train_and_save

    dataset = open_dataset(snakemake.input.dataset)
    objective = snakemake.wildcards.get("loss", MOON)
    options = TrainingOptions(**snakemake.params.training)
    spec = NetworkSpec.from_dict(
        {
            "objective": objective,
            "attributes": attributes_of_network(objective, snakemake.wildcards.get("attribute")),
            "image_size": dataset.image_size,
            **snakemake.params.network,
        }
    )
    # What changes no result is no parameter: it would remake everything.
    compute = snakemake.config["compute"]
    with computing_on(
        snakemake.params.device, snakemake.threads, compute["jobs_per_gpu"], options.tf32, deterministic=True
    ) as device:
        train_and_save(
            dataset,
            spec,
            options,
            seed=snakemake.params.seed,
            device=device,
            epoch2=snakemake.output.epoch2,
            converged=snakemake.output.converged,
            history=snakemake.output.history,
            save_every=compute["save_every"],
            residence=compute["training_images"],
            screen=screen,
        )
