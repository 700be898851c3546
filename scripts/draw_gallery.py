"""Draw one adversarial image of each kind for every network, attack and attribute."""

from faceflip.job import job

with job(snakemake.log[0]):
    from pathlib import Path

    from faceflip.analysis.frames import read_attempts
    from faceflip.report.gallery import choose, draw_gallery

    attempts = read_attempts(Path(snakemake.input.attempts), "file_name", "score_before", "epsilon", "linf")
    pictures = choose(attempts, snakemake.params.threshold)
    draw_gallery(pictures, Path(snakemake.input.dataset), snakemake.input.stores, Path(snakemake.output.folder))
