"""The flowchart of docs/reference/stages.md, docs/images/stages.svg, drawn from the workflow itself.

Run ``python tools/rule_graph.py`` in the project's folder after rules or their inputs have changed; with ``--check`` it
says whether that is needed.
"""

import itertools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import networkx

from faceflip.io.files import write_text

ROOT = Path(__file__).parents[1]
CHART = ROOT / "docs/images/stages.svg"
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


BOX = (164, 32)
"""Width and height of a rule's box."""
STEP = (184, 64)
"""From one box to the next, across and down."""
THREAD = 26
"""Width of the way that an arrow takes past a row of boxes."""

Place = tuple[str, ...]
"""A box, by the name of its rule, or where an arrow passes a row: both of its rules, and the row."""


def chart(needs: set[tuple[str, str]]) -> str:
    """Return the flowchart as SVG: rules in rows below what they need, arrows that pass rows where there is room.

    It is an image and no text for Mermaid, because browsers would have to fetch Mermaid from another host.
    """
    forward = networkx.DiGraph(sorted(edge for edge in needs if edge[0] != LEADS_BACK))
    row = {rule: number for number, rules in enumerate(networkx.topological_generations(forward)) for rule in rules}
    ways = {edge: _way(edge, row) for edge in sorted(forward.edges)}
    places = _placed(_ordered(ways, row))
    width = max(x for x, _ in places.values()) + BOX[0] / 2 + 60
    height = STEP[1] * max(row.values()) + BOX[1] + 8
    back = [_arrow_back(edge, places, width) for edge in sorted(needs - set(forward.edges))]
    arrows = [_arrow(edge, [places[place] for place in way]) for edge, way in ways.items()]
    boxes = [_box(rule, *places[rule,]) for rule in sorted(row)]
    return "\n".join([_HEAD.format(width=round(width), height=height), *arrows, *back, *boxes, "</svg>"]) + "\n"


def _way(edge: tuple[str, str], row: dict[str, int]) -> list[Place]:
    one, other = edge
    return [(one,), *((one, other, str(between)) for between in range(row[one] + 1, row[other])), (other,)]


def _ordered(ways: dict[tuple[str, str], list[Place]], row: dict[str, int]) -> list[list[Place]]:
    """Return the places of each row from left to right: each near the mean of its neighbours, so that few cross."""
    graph = networkx.Graph(pair for way in ways.values() for pair in itertools.pairwise(way))
    rows: list[list[Place]] = [[] for _ in range(max(row.values()) + 1)]
    for place in sorted(graph):
        rows[row[place[0]] if len(place) == 1 else int(place[2])].append(place)
    for sweep in range(24):
        numbers = range(1, len(rows)) if sweep % 2 == 0 else range(len(rows) - 2, -1, -1)
        for number in numbers:
            beside = rows[number - 1 if sweep % 2 == 0 else number + 1]
            middle = {place: (k + 0.5) / len(beside) for k, place in enumerate(beside)}

            def mean(place: Place, middle: dict[Place, float] = middle) -> float:
                found = [middle[each] for each in graph[place] if each in middle]
                return sum(found) / len(found) if found else 0.5

            rows[number].sort(key=lambda place: (round(mean(place), 6), place))
    return rows


def _placed(rows: list[list[Place]]) -> dict[Place, tuple[float, float]]:
    """Return the middle of each place; rows stand centred above each other."""
    widths = [[STEP[0] if len(place) == 1 else THREAD for place in places] for places in rows]
    whole = max(map(sum, widths))
    found = {}
    for number, (places, each) in enumerate(zip(rows, widths, strict=True)):
        x = (whole - sum(each)) / 2
        for place, width in zip(places, each, strict=True):
            found[place] = (x + width / 2, number * STEP[1] + BOX[1] / 2 + 4)
            x += width
    return found


def _arrow(edge: tuple[str, str], points: list[tuple[float, float]]) -> str:
    half = BOX[1] / 2
    (x, y), *rest = points
    path = f"M{x:.0f} {y + half:.0f}"
    y += half
    for k, (to_x, to_y) in enumerate(rest):
        end = to_y - half - (5 if k == len(rest) - 1 else 0)
        path += f"C{x:.0f} {(y + end) / 2:.0f} {to_x:.0f} {(y + end) / 2:.0f} {to_x:.0f} {end:.0f}"
        if k < len(rest) - 1:
            path += f"V{to_y + half:.0f}"
        x, y = to_x, to_y + half
    return _path(edge, path)


def _arrow_back(edge: tuple[str, str], places: dict[Place, tuple[float, float]], width: float) -> str:
    """Return the arrow of the rule that leads back, upwards along the right side."""
    (x, y), (to_x, to_y) = (places[rule,] for rule in edge)
    start, end, side = x + BOX[0] / 2, to_x + BOX[0] / 2 + 5, width - 8
    path = f"M{start:.0f} {y:.0f}C{side:.0f} {y:.0f} {side:.0f} {y:.0f} {side:.0f} {(y + to_y) / 2:.0f}"
    return _path(edge, path + f"C{side:.0f} {to_y:.0f} {side:.0f} {to_y:.0f} {end:.0f} {to_y:.0f}", ' class="back"')


def _path(edge: tuple[str, str], path: str, more: str = "") -> str:
    return f'<path{more} d="{path}" marker-end="url(#tip)"><title>{edge[0]} → {edge[1]}</title></path>'


def _box(rule: str, x: float, y: float) -> str:
    width, height = BOX
    return (
        f'<rect x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" width="{width}" height="{height}" rx="5"/>'
        f'<text x="{x:.0f}" y="{y + 5:.0f}">{rule}</text>'
    )


# Greys that can be seen on white and on black: an image does not know which page it is on.
_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">
<style>
path {{ fill: none; stroke: #8a94a0; stroke-width: 1.4 }}
path.back {{ stroke-dasharray: 5 4 }}
#tip path {{ fill: #8a94a0; stroke: none }}
rect {{ fill: #e9eef5; stroke: #5c6f87 }}
text {{ fill: #16202c; font: 14px sans-serif; text-anchor: middle }}
</style>
<marker id="tip" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="6" markerHeight="6" orient="auto">
<path d="M0 0L8 4L0 8z"/>
</marker>"""


def main() -> None:
    """Write the chart, or with ``--check`` exit with 1 where it is of other rules."""
    drawn = chart(edges())
    if "--check" in sys.argv:
        written = CHART.read_text(encoding="utf-8") if CHART.exists() else ""
        sys.exit(
            f"{CHART.relative_to(ROOT)}: run python {Path(__file__).relative_to(ROOT)}" if written != drawn else None
        )
    write_text(CHART, drawn)


if __name__ == "__main__":
    os.environ.setdefault("SLURM_CONF", os.devnull)  # no cluster is asked for anything
    main()
