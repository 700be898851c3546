"""Bring a network that was trained elsewhere: build it, lay in its weights, try it out, and keep it as a checkpoint."""

from faceflip.stages.job import job

with job(snakemake) as run:
    from faceflip.io.files import write_text
    from faceflip.networks.brought import BroughtOptions
    from faceflip.networks.network import NetworkSpec
    from faceflip.stages.bring import BroughtFiles, bring_network

    name, params = snakemake.wildcards.network, snakemake.params
    brought = BroughtOptions(**params.brought)
    with run.computing() as device:
        found, notes = bring_network(
            snakemake.output.checkpoint,
            run.dataset,
            name,
            NetworkSpec(params.loss, tuple(params.attributes), run.dataset.image_size, brought=brought),
            BroughtFiles(params.weights, params.entry, tuple(run.files("code"))),
            device,
            params.batch_size,
        )
    for note in notes:
        print(f"Note: {note}")
    for text in found["text"]:
        print(f"Warning: network {name}: {text}", file=run.screen, flush=True)
    write_text(snakemake.output.preflight, found.to_csv(index=False, lineterminator="\n"))
