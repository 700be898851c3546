"""Train a small network on all folds but one, and let it score that one."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from pathlib import Path

    from faceflip.io.paths import UNFINISHED
    from faceflip.io.tables import write_table
    from faceflip.networks.architecture import ArchitectureOptions
    from faceflip.stages.folds import score_fold
    from faceflip.workflow.doubt_settings import FoldTraining

    fold, params, place = snakemake.wildcards.fold, snakemake.params, Path(snakemake.output.scores)
    options = FoldTraining(**params.training)
    with run.computing(options.tf32, deterministic=True, kind="train") as device:
        scores = score_fold(
            run.dataset,
            int(fold),
            params.folds,
            ArchitectureOptions(**params.architecture),
            options,
            params.seed,
            device,
            place.parent / UNFINISHED / fold,
            run.compute.batch_size,
            run.compute.save_every,
            run.compute.training_images,
            lambda done: run.progress("train", "images", done),
        )
    write_table(place, scores)
