"""Link the tables and figures by the paper's own names, such as ``table1.csv`` to ``../tables/flippability.csv``."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from os.path import relpath
    from pathlib import Path

    folder = Path(snakemake.output.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in zip(snakemake.params.names, run.files("files"), strict=True):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(relpath(file, folder))
