"""Train a small network on all folds but one, and let it score that one."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from pathlib import Path

    from faceflip.networks.architecture import ArchitectureOptions
    from faceflip.stages.folds import score_fold
    from faceflip.workflow.doubt_settings import FoldTraining

    params = snakemake.params
    options = FoldTraining(**params.training)
    with run.computing(options.tf32, deterministic=True, kind="train") as device:
        score_fold(
            run.dataset,
            int(snakemake.wildcards.fold),
            params.folds,
            ArchitectureOptions(**params.architecture),
            options,
            params.seed,
            device,
            Path(snakemake.output.scores),
            run.compute.batch_size,
            run.compute.save_every,
            run.compute.training_images,
            lambda done: run.progress("train", "images", done),
        )
