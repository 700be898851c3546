"""Draw one adversarial image of each kind for every network, attack and attribute."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from pathlib import Path

    from faceflip.analysis.frames import read_attempts
    from faceflip.analysis.run import RunDescription
    from faceflip.data.label_doubt import doubted_pairs
    from faceflip.report.gallery import choose, draw_gallery

    described = RunDescription.from_json(snakemake.input.run)
    attempts = read_attempts(Path(snakemake.input.attempts), described, "file_name", "score_before", "epsilon", "linf")
    doubts = [doubted_pairs(path) for path in run.files("doubts")]
    pictures = choose(attempts, described, *doubts)
    draw_gallery(pictures, described, Path(snakemake.input.dataset), run.files("stores"), Path(snakemake.output.folder))
