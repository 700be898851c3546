"""Inventories: size and SHA-256 of every file of a finished run, so that damage and loss can be found and repaired.

Snakemake compares times. It does not notice bytes that changed under it, and it does not make a file again that was
deleted while what was made from it is still there. So a run ends with an inventory of each of its parts, and
``faceflip check results`` compares.
"""

import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from faceflip.errors import UserError
from faceflip.io.files import is_folder, require_regular, sha256, write_text
from faceflip.io.paths import INVENTORY, RESULTS
from faceflip.runtime.progress import ProgressCallback, counted

FORMAT, VERSION = "faceflip-inventory", 1

FOLDER = "inventory"
"""Where the inventories are, seen from `results`."""
SNAKEMAKE = "snakemake --cores all"
"""How Snakemake is called; it refuses to run without being told of cores."""


@dataclass(frozen=True)
class Entry:
    """One file of a run: its path from the folder that holds `results`, with slashes, size, digest, and what makes it.

    Snakemake makes it as `target`: the path, or that of the folder that the file is made with.
    """

    path: str
    target: str
    rule: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Damage:
    """A file that is no longer what it was."""

    path: Path
    target: str
    rule: str
    problem: str


def take_inventory(
    outputs: Mapping[str, Iterable[str]],
    root: Path | str = ".",
    threads: int = 4,
    progress: ProgressCallback | None = None,
) -> list[Entry]:
    """Describe the files that rules make; raises UserError, naming all, where some are missing.

    `outputs` are files and folders by the rule that makes them, as paths from `root`, which holds `results`.
    """
    root = Path(root)
    wanted = []
    for rule, targets in outputs.items():
        for target in targets:
            made = sorted(_visible_files(root / target)) if (root / target).is_dir() else [root / target]
            wanted += [(PurePosixPath(path.relative_to(root).as_posix()), target, rule) for path in made]
    missing = [str(path) for path, _, _ in wanted if not (root / path).is_file()]
    if missing:
        raise UserError(f"{len(missing)} results are missing; the same command makes them:\n  " + "\n  ".join(missing))
    more = counted(progress, len(wanted))
    entries = []
    with ThreadPoolExecutor(threads) as pool:
        digests = pool.map(lambda item: sha256(root / item[0]), wanted)
        for (path, target, rule), digest in zip(wanted, digests, strict=True):
            entries.append(Entry(str(path), target, rule, (root / path).stat().st_size, digest))
            more(1)
    return entries


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        with suppress(OSError):  # of folders that may not be looked into, say
            if path.is_file() and not path.name.startswith("."):
                yield path


def write_inventory(path: Path | str, entries: Sequence[Entry], parts: Sequence[str]) -> None:
    """Write an inventory as JSON; `parts` are the names of all inventories of the run, this one among them."""
    files = [asdict(entry) for entry in entries]
    content = {"format": FORMAT, "version": VERSION, "parts": list(parts), "files": files}
    write_text(path, json.dumps({**content, "sha256": _digest(content)}, indent=1) + "\n")


def _digest(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_inventory(path: Path) -> tuple[list[Entry], list[str]]:
    """Return an inventory's entries and the names of all inventories of its run.

    Raises UserError where it is missing, damaged or of another version.
    """
    try:
        require_regular(path)
        content = json.loads(path.read_text(encoding="utf-8"))
        digest = content.pop("sha256")
        if (content["format"], content["version"]) != (FORMAT, VERSION):
            raise UserError(f"{path}: not an inventory of version {VERSION}")
        if digest != _digest(content):
            raise UserError(f"{path}: damaged, its bytes are not as they were written")
        return [Entry(**entry) for entry in content["files"]], content["parts"]
    except FileNotFoundError:
        raise UserError(f"{path}: missing") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: not a readable inventory ({error})") from None


def results_folder(path: Path) -> Path | None:
    """Return the results folder with inventories that a path is or lies in."""
    path = path.resolve()
    return next((folder for folder in (path, *path.parents) if is_folder(folder / FOLDER)), None)


def find_damage(path: Path, threads: int = 4) -> tuple[list[Damage], int]:
    """Compare a finished run's results folder, or a file or folder in it, with its inventories.

    Returns what is missing or changed, and how many files were compared; none where there are no inventories.
    """
    results = results_folder(path)
    if results is None:
        return [], 0
    entries, damage = _read_all(results)
    inside = _of_run(path, results)
    entries = [entry for entry in entries if PurePosixPath(entry.path).is_relative_to(inside)]
    # The folder may have been moved or linked to: only what is below it is taken from the inventory.
    places = [results / PurePosixPath(entry.path).relative_to(RESULTS) for entry in entries]
    with ThreadPoolExecutor(threads) as pool:
        for entry, place, problem in zip(entries, places, pool.map(_problem, places, entries), strict=True):
            if problem:
                damage.append(Damage(place, entry.target, entry.rule, problem))
    return damage, len(entries)


def uncovered(path: Path) -> list[Path]:
    """Return the files of a results folder, or of a folder in it, that no readable inventory of the run names.

    They tell how long jobs took, or are not the run's at all. A link stands for the file that it leads to.
    """
    results = results_folder(path)
    if results is None:
        return []
    covered = {PurePosixPath(entry.path) for entry in _read_all(results)[0]}
    inside, inventories = _of_run(path, results), PurePosixPath(RESULTS, FOLDER)
    places = {file: inside / file.relative_to(path).as_posix() for file in _visible_files(path)}
    for file in places:
        if file.is_symlink() and file.resolve().is_relative_to(results):  # such as those by the paper's names
            places[file] = _of_run(file, results)
    return sorted(file for file, place in places.items() if place not in covered and place.parent != inventories)


def _of_run(path: Path, results: Path) -> PurePosixPath:
    """Return the path that inventories have for a file or folder, whatever the results folder is called now."""
    return PurePosixPath(RESULTS, path.resolve().relative_to(results).as_posix())


def _read_all(results: Path) -> tuple[list[Entry], list[Damage]]:
    """Return the entries of all inventories of a run, and which of them are missing (each names all) or damaged."""
    entries, damage = [], []
    parts = sorted(file.stem for file in (results / FOLDER).glob("*.json"))
    for part in parts:  # grows meanwhile
        file = results / FOLDER / f"{part}.json"
        try:
            named, all_parts = read_inventory(file)
        except UserError as error:
            damage.append(Damage(file, INVENTORY.of(part=part), "take_inventory", str(error).removeprefix(f"{file}: ")))
        else:
            entries += named
            parts += [other for other in all_parts if other not in parts]
    return entries, sorted(damage, key=lambda each: each.path)


def _problem(path: Path, entry: Entry) -> str | None:
    try:
        require_regular(path)
        size = path.stat().st_size
        if size != entry.bytes:
            return f"has {size:,} bytes, not {entry.bytes:,}"
        return None if sha256(path) == entry.sha256 else "its bytes are not those that were written"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def repair(damage: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the commands that make damaged files again, given the target and rule of each.

    The rules are named so that Snakemake looks at nothing else: what was made from the files is as it should be.
    """
    if pairs := set(damage):
        targets, rules = (sorted(set(names)) for names in zip(*pairs, strict=True))
        yield f"{SNAKEMAKE} --allowed-rules {shlex.join(rules)} --force {shlex.join(targets)}"
        yield f"{SNAKEMAKE} --touch"
