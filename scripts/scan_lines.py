"""Repeat some attempts of the line searches by trying every whole epsilon."""

from faceflip.job import job

with job(snakemake.log[0]):
    from pathlib import Path

    import pandas as pd

    from faceflip.dataset import open_dataset
    from faceflip.device import computing_on
    from faceflip.progress import Progress
    from faceflip.scans import COLUMNS, scan_shard
    from faceflip.tables import write_table

    shards = list(snakemake.input.get("stores", []))
    checkpoints = {str(Path(path).parent): Path(path) for path in snakemake.input.get("checkpoints", [])}
    images = pd.read_csv(snakemake.input.sample)["image"].to_numpy()[: snakemake.params.images]
    dataset = open_dataset(snakemake.input.dataset)
    with computing_on(
        snakemake.params.device, snakemake.threads, snakemake.config["compute"]["jobs_per_gpu"]
    ) as device:
        progress = Progress("scan", "shards")
        tables = [pd.DataFrame(columns=COLUMNS)]
        for number, path in enumerate(shards):
            kind = Path(path).parts[-4]
            networks = {Path(folder).name: file for folder, file in checkpoints.items() if kind in Path(folder).parts}
            tables.append(scan_shard(path, networks, images, dataset, device))
            progress(number + 1, len(shards))
    write_table(snakemake.output.scans, pd.concat(tables[1:] or tables, ignore_index=True))
