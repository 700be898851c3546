"""Decode images into one file, with labels, splits and a manifest."""

from faceflip.stages.job import job

with job(snakemake) as run:
    import sys
    from pathlib import Path

    from faceflip.data.celeba.labels import count_labels
    from faceflip.data.packed import open_dataset
    from faceflip.data.packing import pack_dataset, write_manifest
    from faceflip.io.files import replacing
    from faceflip.io.paths import SYNTHETIC
    from faceflip.workflow.preflight import require_attacks, require_networks

    # An unusable network is rejected before the images are decoded.
    require_networks(snakemake.config)
    require_attacks(snakemake.config)
    drawn = next((Path(file).parent for file in run.files("drawn")), SYNTHETIC)
    size = snakemake.params.image_size
    manifest = pack_dataset(
        run.settings.dataset.open(drawn),
        Path(snakemake.output.dataset),
        image_size=tuple(size) if size else None,
        threads=snakemake.threads,
        leave_out_bad_images=snakemake.params.leave_out_bad_images,
        progress=run.progress("pack", "images"),
    )
    for note in manifest["notes"]:
        print(f"Note: {note}", file=sys.stderr)
    write_manifest(Path(snakemake.output.manifest), manifest)
    dataset = open_dataset(snakemake.output.dataset)
    with replacing(snakemake.output.labels) as path:
        count_labels(dataset.labels, dataset.split, dataset.attributes).to_csv(path, index=False, lineterminator="\n")
