"""`faceflip plan`: what a run will take, before anything is spent."""

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from faceflip.cli.arguments import ConfigFiles, Project, project_folder
from faceflip.cli.printing import print_table
from faceflip.errors import UserError

if TYPE_CHECKING:
    from faceflip.workflow.estimate import Estimate


def plan(
    configfile: ConfigFiles = None,
    tflops: Annotated[
        float | None, typer.Option(help="What the GPU computes, sustained, in 10^12 operations a second.")
    ] = None,
    images_per_second: Annotated[
        float | None, typer.Option(help="How fast it trains the network listed first, in images a second.")
    ] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Measure that here, by training for ten seconds.")] = False,
    project: Project = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Estimate what a run takes: jobs by rule, disk by kind of file, multiply-adds, hours on a device.

    Example: faceflip plan --configfile workflow/presets/paper.yaml --tflops 40
    """
    from faceflip.workflow.estimate import Estimate
    from faceflip.workflow.estimate import as_json as to_json
    from faceflip.workflow.preflight import require_attacks
    from faceflip.workflow.settings import Settings, read_config

    for option, speed in {"--tflops": tflops, "--images-per-second": images_per_second}.items():
        if speed is not None and not 0 < speed < math.inf:
            raise UserError(f"{option} {speed:g}: expected a number above 0")
    if sum((tflops is not None, images_per_second is not None, probe)) > 1:
        raise UserError("give one of --tflops, --images-per-second and --probe")
    config = read_config(project_folder(project), configfile or [])
    estimate = Estimate.of(Settings.of(config))
    require_attacks(config)
    for fault in () if estimate.assumed else estimate.settings.faults_of_sizes(estimate.images):
        typer.echo(f"Note: a run would be refused: {fault}", err=True)
    first = next((network.name for network in estimate.plan.trained), "")
    if not first and (probe or images_per_second is not None):
        raise UserError("no network is trained here, whose speed could be that of the run; give --tflops")
    if probe:
        images_per_second = _probed(estimate, first)
    rate = tflops and tflops * 1e12 / 2
    if images_per_second is not None:
        rate = images_per_second * estimate.costs[first].training
    if as_json:
        typer.echo(json.dumps(to_json(estimate, rate), indent=2))
    else:
        _print(estimate, rate)


def _probed(estimate: "Estimate", network: str) -> float:
    from faceflip.runtime.device import computing_on
    from faceflip.training.probe import images_per_second

    compute, options = estimate.settings.compute, estimate.plan.networks[network].settings.training
    threads = compute.threads.train
    with computing_on(compute.device, threads, compute.jobs_per_gpu, options.tf32, deterministic=True) as device:
        measured = images_per_second(estimate.spec(network), options, device)
    rate = f"{measured:,.1f} images/s in batches of {options.batch_size}"
    typer.echo(f"{device} ({threads} threads), network {network}: {rate}", err=True)
    return measured


def _print(estimate: "Estimate", rate: float | None) -> None:
    images = ", ".join(f"{count:,} {split}" for split, count in estimate.images.items())
    jobs, disk, work = estimate.jobs(), estimate.disk(), estimate.multiply_adds()
    samples = ", ".join(f"{sample.images:,} {name}" for name, sample in estimate.settings.samples.items())
    typer.echo(f"Images: {images}; samples: {samples}")
    typer.echo(f"Note: {estimate.assumed}\n" if estimate.assumed else "")
    _table("Jobs", [(rule, f"{count:,}") for rule, count in {**jobs, "in all": sum(jobs.values())}.items()])
    _table("Disk", [(kind, _size(size)) for kind, size in {**disk, "in all": sum(disk.values())}.items()])
    typer.echo(f"and {_size(estimate.unfinished_bytes())} for each training under way\n")

    def hours(count: float) -> tuple[str, ...]:
        return (f"{count / rate / 3600:,.2f} h",) if rate else ()

    stages = {**work, "in all": sum(work.values())}.items()
    _table("Multiply-adds, 10^12", [(stage, f"{count / 1e12:,.1f}", *hours(count)) for stage, count in stages])
    if rate:
        typer.echo(f"at {2 * rate / 1e12:,.2f} TFLOP/s; several GPUs share the hours")
    else:
        typer.echo("for hours, give --tflops or --images-per-second, or --probe this machine")


def _table(title: str, rows: list[tuple[str, ...]]) -> None:
    typer.echo(title)
    print_table({" " * column: "number" if column else "word" for column in range(len(rows[0]))}, rows)
    typer.echo()


def _size(count: int) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 1e8 else f"{count / 1e6:,.2f} MB"
