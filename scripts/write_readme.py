"""Write the page at the root of the results: what was run, what came out, and where everything is."""

from faceflip.job import job

with job(snakemake.log[0]):
    import json
    from pathlib import Path

    import pandas as pd

    from faceflip.analysis.frames import read_attempts
    from faceflip.analysis.run import RunDescription
    from faceflip.files import write_text
    from faceflip.readme import results_page

    page = results_page(
        RunDescription.from_json(Path(snakemake.input.run)),
        json.loads(Path(snakemake.input.manifest).read_text(encoding="utf-8")),
        snakemake.params.attacks,
        pd.read_csv(snakemake.input.errors),
        read_attempts(Path(snakemake.input.attempts)),
    )
    write_text(snakemake.output.page, page)
