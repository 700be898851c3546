# Facial attributes: accuracy and adversarial robustness (Rozsa, Günther, Rudd, Boult 2018), from CelebA to every table and
# figure. Configuration: config.yaml. How it hangs together: README.md and docs/.
import gc
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path

from snakemake import dag
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.20")
# The folder of this file, also where another workflow uses it as a module.
PROJECT = str(workflow.current_basedir)
if not os.path.isdir(f"{PROJECT}/scripts/faceflip"):
    raise WorkflowError(f"{PROJECT}: the library of faceflip is not beside this Snakefile; name that of a whole clone")
# The library beside this file is meant, whichever is installed; also by the scripts, which are processes of their own.
sys.path.insert(0, f"{PROJECT}/scripts")
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, (sys.path[0], os.getenv("PYTHONPATH")))))

from faceflip.attempt import FINAL, Experiment
from faceflip.data.celeba import PROVENANCE
from faceflip.errors import UserError
from faceflip.io import paths
from faceflip.io.clock import require_past
from faceflip.io.files import require_writable, sweep
from faceflip.registry import own_files
from faceflip.runtime.device import NVIDIA_DRIVER
from faceflip.runtime.interpreter import fault_of
from faceflip.runtime.run_lock import take_run_lock
from faceflip.workflow.alarm import use_one_alarm
from faceflip.workflow.code import note_on_code
from faceflip.workflow.duplicates import require_unique_keys
from faceflip.workflow.jobs import bundles_of, files_of_part, inputs_of, paper_links, rules_of, targets
from faceflip.workflow.migration import require_results_of_today
from faceflip.workflow.network_settings import OF_SCHEDULE, merged
from faceflip.workflow.packed_from import record_source
from faceflip.workflow.plan import ALL, Plan
from faceflip.workflow.planning import check_scripts_once, keep_signatures
from faceflip.workflow.preflight import require_brought, require_images
from faceflip.workflow.run_record import record_end, record_start
from faceflip.workflow.settings import Settings, read_config
from faceflip.workflow.versions import VERSIONS

# What is imported stays to the end. The garbage collector need not look through it, which a short run feels.
gc.freeze()


configfile: f"{PROJECT}/config.yaml"


report: "workflow/report/workflow.rst"


# For --sdm apptainer: the user's image of the Dockerfile, as none is published.
container: os.getenv("FACEFLIP_IMAGE")


IS_MODULE = not workflow.modifier.is_main_snakefile()
# Whether no rule of another workflow stands before these.
COMES_FIRST = workflow.default_target is None
# Where a file of a run is: a module may put all of them below a prefix.
placed = workflow.modifier.path_modifier.replace_prefix
# The folder that holds the results.
BASE = Path(placed(paths.RESULTS)).parent

try:
    if fault := fault_of(sys.executable):
        raise UserError(fault)
    if IS_MODULE:
        # What a module is given is laid over config.yaml, as files of the command line are.
        config = merged(read_config(Path(PROJECT)), config)
    else:
        require_unique_keys(workflow.configfiles)
    PLAN = Plan(Settings.of(config))
    require_results_of_today(BASE)
    SOURCE_FILES = PLAN.settings.dataset.inputs
    if workflow.is_main_process:
        record_source(PLAN.settings.dataset, placed(paths.SOURCE))
        if note := note_on_code(placed(paths.RUN)):
            print(f"Note: {note}", file=sys.stderr)
    # Snakemake itself ends in a traceback where it cannot keep its records.
    require_writable([".snakemake"])
except UserError as error:
    raise WorkflowError(str(error)) from None

SETTINGS = PLAN.settings
RULES = rules_of(PLAN)


wildcard_constraints:
    sample="|".join(map(re.escape, SETTINGS.samples)),
    network="|".join(map(re.escape, PLAN.networks)),
    member="|".join(map(re.escape, [ALL, *map(paths.folder_of, SETTINGS.dataset.attributes)])),
    checkpoint="|".join([*FINAL, r"epoch\d+"]),
    attack="|".join(map(re.escape, PLAN.attacks)) or "none",
    shard=r"\d\d\d+",
    fold=r"\d+",
    table="|".join(map(re.escape, PLAN.tables)),
    figure="|".join(map(re.escape, PLAN.figures)) or "none",


include: "workflow/rules/common.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/networks.smk"
include: "workflow/rules/attack.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/inventory.smk"
include: "workflow/rules/analyse.smk"


rule all:
    default_target: COMES_FIRST
    input:
        targets(RULES),


keep_signatures(workflow.rules)
check_scripts_once(getattr(dag, "ScriptProcessor", None))


onstart:
    try:
        take_run_lock()
        jobs = list(workflow.dag.needrun_jobs())
        made = {file for job in jobs for file in job.output}
        # Snakemake itself ends in a traceback where it cannot remove what a job is to make anew.
        require_writable(Path(file).parent for file in made)
        require_past({file for job in jobs for file in job.input} - made)
        if {"pack_dataset", "draw_sample"} <= {job.rule.name for job in jobs}:
            require_images(SETTINGS)
        # The job that makes a dataset tries all networks itself, and before that there is nothing to be lost.
        if brought := {job.wildcards["network"] for job in jobs if job.rule.name == "bring_network"}:
            require_brought(config, sorted(brought))
    except UserError as error:
        raise WorkflowError(str(error)) from None
    # A job that outlived its run, on another node, may still be writing.
    sweep(paths.RESULTS, idle=3600)
    record_start(workflow, jobs, config, RULES)
    use_one_alarm(workflow.scheduler)


onsuccess:
    record_end(succeeded=True)
    sweep(paths.RESULTS)
    print(f"Done: {paths.INDEX} shows what came out, {paths.README} says where everything is.")


onerror:
    record_end(succeeded=False)
    print(
        "Something failed: the message is above, the full story in the log that it names. The same command resumes."
    )
