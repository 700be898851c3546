"""The flowchart in docs/reference/stages.md, drawn from the workflow itself.

Run ``python tools/rule_graph.py`` in the project's folder after rules or their inputs have changed; with ``--check`` it
says whether that is needed.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import networkx

from faceflip.io.files import write_text

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference/stages.md"
CHART = re.compile(r"(```mermaid\n).*?(```\n)", re.DOTALL)
PRESETS = [ROOT / f"workflow/presets/{name}.yaml" for name in ("future-work", "future-work-drawn")]
REST = """
doubt: {folds: 2}
networks: {mine: {file: "mine.py:build", weights: mine.safetensors, loss: bce, attributes: [Smiling]}}
experiments: {paper: {mine: {given: [ffa-line]}}}
compute: {networks_per_job: 1}
"""
"""What gives the rules jobs that have none by the presets. Nothing is read to find out which jobs there are."""
LEADS_BACK = "fine_tune"
"""Networks are fine-tuned on what attacks found, then attacked: so rules, unlike jobs, go in a circle."""


def edges() -> set[tuple[str, str]]:
    """Return which rules need which, as (rule, the one that needs it), but for what follows from others."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("mine.py", "mine.safetensors"):
            Path(folder, name).touch()
        Path(folder, "rest.yaml").write_text(REST, encoding="utf-8")
        files = [*PRESETS, Path(folder, "rest.yaml")]
        command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
        command += ["--configfile", *files, "--rulegraph", "mermaid-js"]
        drawn = subprocess.check_output(list(map(str, command)), text=True, cwd=folder)
    names = dict(re.findall(r"^\s*(\w+)\[(\w+)\]$", drawn, re.MULTILINE))
    needs = {(names[one], names[other]) for one, other in re.findall(r"^\s*(\w+) --> (\w+)$", drawn, re.MULTILINE)}
    return _reduced(networkx.DiGraph((one, other) for one, other in needs if one != other))


def _reduced(graph: networkx.DiGraph) -> set[tuple[str, str]]:
    """Leave out the arrows that follow from others, of the rest first, then of the rule that leads back."""
    rest = networkx.DiGraph(graph.edges)
    rest.remove_node(LEADS_BACK)
    sources, targets = set(graph.predecessors(LEADS_BACK)), set(graph.successors(LEADS_BACK))
    sources = {rule for rule in sources if not networkx.descendants(rest, rule) & sources}
    targets = {rule for rule in targets if not networkx.ancestors(rest, rule) & targets}
    back = {(rule, LEADS_BACK) for rule in sources} | {(LEADS_BACK, rule) for rule in targets}
    return set(networkx.transitive_reduction(rest).edges) | back


def chart(needs: set[tuple[str, str]]) -> str:
    """Return a flowchart for Mermaid."""
    return "flowchart TB\n" + "".join(f"    {one} --> {other}\n" for one, other in sorted(needs))


def main() -> None:
    """Write the page, or with ``--check`` exit with 1 where it is of other rules."""
    page = PAGE.read_text(encoding="utf-8")
    drawn = chart(edges())
    written = CHART.sub(lambda found: found[1] + drawn + found[2], page)
    if "--check" in sys.argv:
        sys.exit(
            f"{PAGE.relative_to(ROOT)}: run python {Path(__file__).relative_to(ROOT)}" if written != page else None
        )
    write_text(PAGE, written)


if __name__ == "__main__":
    os.environ.setdefault("SLURM_CONF", os.devnull)  # no cluster is asked for anything
    main()
