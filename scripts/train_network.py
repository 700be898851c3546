"""Train one network, separate or MOON, and keep both its checkpoints and its history."""

from faceflip.job import job

with job(snakemake.log[0]):
    from faceflip.dataset import open_dataset
    from faceflip.device import prepare
    from faceflip.networks import NetworkSpec
    from faceflip.plan import MOON, attributes_of_network
    from faceflip.training import TrainingOptions
    from faceflip.training.run import train_and_save

    dataset = open_dataset(snakemake.input.dataset)
    objective = snakemake.wildcards.get("loss", MOON)
    spec = NetworkSpec.from_dict(
        {
            "objective": objective,
            "attributes": attributes_of_network(objective, snakemake.wildcards.get("attribute")),
            "image_size": dataset.image_size,
            **snakemake.params.network,
        }
    )
    train_and_save(
        dataset,
        spec,
        TrainingOptions(**snakemake.params.training),
        seed=snakemake.params.seed,
        device=prepare(snakemake.params.device, snakemake.threads),
        epoch2=snakemake.output.epoch2,
        converged=snakemake.output.converged,
        history=snakemake.output.history,
    )
