"""Train one network and keep its checkpoints and its history."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from pathlib import Path

    from faceflip.networks.architecture import ArchitectureOptions
    from faceflip.networks.network import NetworkSpec
    from faceflip.stages.train import TrainedFiles, train_and_save
    from faceflip.training.hyperparameters import TrainingOptions
    from faceflip.workflow.network_settings import epoch_name

    names, params, output = snakemake.wildcards, snakemake.params, snakemake.output
    options = TrainingOptions(**params.training)
    architecture = ArchitectureOptions(**params.architecture)
    with run.computing(options.tf32, deterministic=True, kind="train") as device:
        train_and_save(
            run.dataset,
            names.network,
            params.member,
            NetworkSpec(params.loss, tuple(params.attributes), run.dataset.image_size, architecture),
            options,
            params.seed,
            device,
            TrainedFiles(
                Path(output.converged),
                {epoch: Path(output[epoch_name(epoch)]) for epoch in options.checkpoints},
                Path(output.history),
            ),
            run.compute.save_every,
            run.compute.training_images,
            lambda done: run.progress("train", "images", done),
        )
