"""Fine-tune one network from the checkpoint of another."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from pathlib import Path

    import numpy as np

    from faceflip.data.sample import read_sample
    from faceflip.stages.fine_tune import TunedFiles, fine_tune
    from faceflip.training.hyperparameters import TrainingOptions
    from faceflip.training.tuning import TuningOptions

    params, output = snakemake.params, snakemake.output
    options = TrainingOptions(**params.training)
    judged = [read_sample(file, run.dataset) for file in run.files("held_out")]
    with run.computing(options.tf32, deterministic=True, kind="train") as device:
        fine_tune(
            run.dataset,
            snakemake.wildcards.network,
            params.member,
            Path(snakemake.input.source),
            tuple(params.attributes),
            TuningOptions(**params.tuning),
            options,
            list(zip(map(Path, run.files("stores")), map(Path, run.files("scores")), strict=True)),
            params.threshold,
            np.concatenate([np.empty(0, np.int64), *judged]),
            params.seed,
            device,
            TunedFiles(Path(output.checkpoint), Path(output.history), Path(output.images)),
            run.compute.save_every,
            run.compute.training_images,
            lambda done: run.progress("fine-tune", "images", done),
            params.own_code,
            next(map(Path, run.files("doubts")), None),
        )
