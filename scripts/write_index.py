"""Write the pages for people with a browser: everything that the run found, and what it took."""

from faceflip.job import job

with job(snakemake.log[0]):
    import json
    from pathlib import Path

    import pandas as pd

    from faceflip.analysis.frames import read_attempts
    from faceflip.analysis.html import table_page
    from faceflip.analysis.product import reading
    from faceflip.analysis.run import RunDescription
    from faceflip.files import write_text
    from faceflip.readme import facts, headlines
    from faceflip.report.gallery import read_gallery
    from faceflip.report.index import index_page
    from faceflip.report.runtime import runtime, sheet

    run = RunDescription.from_json(Path(snakemake.input.run))
    manifest = json.loads(Path(snakemake.input.manifest).read_text(encoding="utf-8"))
    time_and_memory = sheet(runtime(Path(snakemake.params.benchmarks)))
    page = index_page(
        run,
        facts(run, manifest, snakemake.params.attacks),
        headlines(run, pd.read_csv(snakemake.input.errors), read_attempts(Path(snakemake.input.attempts))),
        {Path(path).stem: Path(path) for path in snakemake.input.tables},
        read_gallery(Path(snakemake.input.gallery)),
        time_and_memory,
    )
    write_text(snakemake.output.page, page)
    explained = reading("faceflip.report.runtime")
    write_text(snakemake.output.runtime, table_page("Time and memory", [time_and_memory], explained, run))
