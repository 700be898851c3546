"""Train one network, or several of one kind one after another, and keep their checkpoints and their histories."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from pathlib import Path

    from faceflip.io.paths import folder_of
    from faceflip.networks.architecture import ArchitectureOptions
    from faceflip.networks.network import NetworkSpec
    from faceflip.stages.train import Member, TrainedFiles, train_and_save
    from faceflip.training.hyperparameters import TrainingOptions
    from faceflip.workflow.network_settings import epoch_name

    network, params = snakemake.wildcards.network, snakemake.params
    options = TrainingOptions(**params.training)
    architecture = ArchitectureOptions(**params.architecture)

    roles = ("converged", "history", *map(epoch_name, options.checkpoints))
    members = []
    for name, converged, history, *epochs in zip(params.members, *map(run.outputs, roles), strict=True):
        spec = NetworkSpec(params.loss, tuple(params.attributes or [name]), run.dataset.image_size, architecture)
        kept = dict(zip(options.checkpoints, map(Path, epochs), strict=True))
        members.append(Member(name, spec, TrainedFiles(Path(converged), kept, Path(history))))
    with run.computing(options.tf32, deterministic=True, kind="train") as device:
        train_and_save(
            run.dataset,
            network,
            members,
            options,
            params.seed,
            device,
            run.compute.save_every,
            run.compute.training_images,
            lambda name, done: run.progress("train", "images", done, f"{network}/{folder_of(name)}"),
        )
