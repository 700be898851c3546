"""Say which labels are in doubt, and why."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.data.audit import read_audit
    from faceflip.data.contradictions import Contradiction
    from faceflip.io.tables import read_table, write_table
    from faceflip.stages.doubt import label_doubt

    dataset, audit = run.dataset, next(iter(run.files("audit")), None)
    doubts = label_doubt(
        dataset,
        [Contradiction(**rule) for rule in snakemake.params.rules],
        [read_table(path) for path in run.files("scores")],
        read_audit(audit, dataset.file_names, dataset.attributes, print) if audit else None,
    )
    write_table(snakemake.output.doubts, doubts)
    print(f"{doubts['doubtful'].sum():,} of {len(doubts):,} labels are in doubt")
