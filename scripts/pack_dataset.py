"""Decode the images of a CelebA into one file, with labels, splits and a manifest."""

import sys
from pathlib import Path

from faceflip.job import job

with job(snakemake.log[0]) as screen:
    from faceflip.dataset import count_labels, open_dataset, pack_dataset, write_manifest
    from faceflip.files import replacing
    from faceflip.progress import Progress
    from faceflip.trial import require_network

    # A network that will not do is told now, not when all images are there.
    require_network(snakemake.config)
    size = snakemake.params.image_size
    manifest = pack_dataset(
        Path(snakemake.params.folder),
        Path(snakemake.output.dataset),
        image_size=tuple(size) if size else None,
        threads=snakemake.threads,
        leave_out_bad_images=snakemake.params.leave_out_bad_images,
        progress=Progress("pack", "images", screen=screen),
    )
    for note in manifest["notes"]:
        print(f"Note: {note}", file=sys.stderr)
    write_manifest(Path(snakemake.output.manifest), manifest)
    with replacing(snakemake.output.labels) as path:
        count_labels(open_dataset(snakemake.output.dataset)).to_csv(path, index=False, lineterminator="\n")
