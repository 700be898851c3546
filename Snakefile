# Facial attributes: accuracy and adversarial robustness (Rozsa, Günther, Rudd, Boult 2018), from CelebA to every table and
# figure. Configuration: config.yaml. How it hangs together: README.md and docs/.
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.20")
sys.path.insert(0, f"{workflow.basedir}/scripts")

from faceflip.analysis.registry import TABLES
from faceflip.analysis.registry import reading_of as reading_of_table
from faceflip.celeba import ATTRIBUTES, PROVENANCE
from faceflip.celeba.layout import input_files
from faceflip.config import validate
from faceflip.device import NVIDIA_DRIVER
from faceflip.errors import UserError
from faceflip.figures.registry import FIGURES
from faceflip.figures.registry import reading_of as reading_of_figure
from faceflip.files import require_writable, sweep
from faceflip.occupied import occupy
from faceflip.plan import CHECKPOINTS, Plan
from faceflip.stages import VERSIONS


configfile: f"{workflow.basedir}/config.yaml"


report: "workflow/report/workflow.rst"


try:
    validate(config, f"{workflow.basedir}/workflow/schemas/config.schema.yaml")
    # Snakemake itself ends in a traceback where it cannot keep its records.
    require_writable([".snakemake"])
except UserError as error:
    raise WorkflowError(str(error)) from None

PLAN = Plan.from_config(config)


wildcard_constraints:
    network="euclidean|softmax|moon",
    loss="euclidean|softmax",
    checkpoint="|".join(CHECKPOINTS),
    attack="|".join(config["attacks"]),
    attribute="|".join(ATTRIBUTES),
    shard=r"\d\d\d+",
    table="|".join(TABLES),
    figure="|".join(FIGURES),


include: "workflow/rules/common.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/networks.smk"
include: "workflow/rules/attack.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/inventory.smk"
include: "workflow/rules/analyse.smk"


rule all:
    default_target: True
    input:
        "results/README.md",
        "results/index.html",
        "results/attempts.parquet",
        JOINED_STORES,
        TABLE_FILES,
        FIGURE_FILES,
        INVENTORIES,


onstart:
    try:
        occupy()
        # Snakemake itself ends in a traceback where it cannot remove what a job is to make anew.
        require_writable(Path(file).parent for job in workflow.dag.needrun_jobs() for file in job.output)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    # A job that outlived its run, on another node, may still be writing.
    sweep("results", idle=3600)


onsuccess:
    sweep("results")
    print("Done: results/index.html shows what came out, results/README.md says where everything is.")


onerror:
    print("Something failed: the message is above, the full story in the log that it names. The same command resumes.")
