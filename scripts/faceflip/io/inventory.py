"""Inventories: size and SHA-256 of every file of a finished run, so that damage and loss can be found and repaired.

Snakemake compares times. It does not notice bytes that changed under it, and it does not make a file again that was
deleted while what was made from it is still there. So a run ends with an inventory of each of its parts, and
``faceflip check results`` compares.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from faceflip.errors import UserError
from faceflip.io.files import sha256, write_text
from faceflip.io.paths import INVENTORY, RESULTS
from faceflip.runtime.progress import ProgressCallback, counted

FORMAT, VERSION = "faceflip-inventory", 1

FOLDER = "inventory"
"""Where the inventories are, seen from `results`."""

SNAKEMAKE = "snakemake --cores all"
"""How Snakemake is called; it refuses to run without being told of cores."""


@dataclass(frozen=True)
class Entry:
    """One file of a run.

    Attributes:
        path: From the folder that holds `results`, with slashes.
        target: What Snakemake is asked for to make it: the path, or that of the folder that it is made with.
        rule: The rule that makes it.
        bytes: Its size.
        sha256: Of its bytes.
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
    """Describe files.

    Args:
        outputs: Files and folders by the rule that makes them, as paths from `root`.
        root: The folder that holds `results`.
        threads: To read with.
        progress: Called with the numbers of files done and in all.

    Raises:
        UserError: Some are missing; all are told.
    """
    root = Path(root)
    wanted = [
        (path, target, rule) for rule, targets in outputs.items() for target in targets for path in _files(root, target)
    ]
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


def _files(root: Path, target: str) -> list[PurePosixPath]:
    folder = root / target
    if not folder.is_dir():
        return [PurePosixPath(target)]
    return [PurePosixPath(path.relative_to(root).as_posix()) for path in sorted(_visible_files(folder))]


def _visible_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def write_inventory(path: Path | str, entries: Sequence[Entry], parts: Sequence[str]) -> None:
    """Write an inventory as JSON; `parts` are the names of all inventories of the run, this one among them."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "parts": list(parts),
        "files": [asdict(entry) for entry in entries],
    }
    write_text(path, json.dumps({**content, "sha256": _digest(content)}, indent=1) + "\n")


def _digest(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_inventory(path: Path) -> tuple[list[Entry], list[str]]:
    """Return an inventory's entries and the names of all inventories of its run.

    Raises:
        UserError: The file is missing, damaged or of another version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        digest = content.pop("sha256")
        if (content["format"], content["version"]) != (FORMAT, VERSION):
            raise UserError(f"{path}: not an inventory of version {VERSION}")
        if digest != _digest(content):
            raise UserError(f"{path}: damaged, its bytes are not as they were written")
        return [Entry(**entry) for entry in content["files"]], content["parts"]
    except FileNotFoundError:
        raise UserError(f"{path}: missing") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a readable inventory ({error})") from None


def results_folder(path: Path) -> Path | None:
    """Return the results folder with inventories that a path is or lies in."""
    path = path.resolve()
    return next((folder for folder in (path, *path.parents) if (folder / FOLDER).is_dir()), None)


def find_damage(path: Path, threads: int = 4) -> tuple[list[Damage], int]:
    """Compare a finished run, or a part of it, with its inventories.

    Args:
        path: The results folder, or a file or folder in it.
        threads: To read with.

    Returns:
        What is missing or changed, and how many files were compared; none where there are no inventories.
    """
    results = results_folder(path)
    if results is None:
        return [], 0
    damage: list[Damage] = []
    entries: list[Entry] = []
    parts = {file.stem for file in (results / FOLDER).glob("*.json")}
    for part in _with_all_parts(results, parts):
        file = results / FOLDER / f"{part}.json"
        try:
            entries += read_inventory(file)[0]
        except UserError as error:
            damage.append(Damage(file, INVENTORY.of(part=part), "take_inventory", str(error).removeprefix(f"{file}: ")))
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

    These are what tells how long jobs took, which differs from run to run, and what is not the run's at all.
    """
    results = results_folder(path)
    if results is None:
        return []
    covered: set[PurePosixPath] = set()
    for file in (results / FOLDER).glob("*.json"):
        with suppress(UserError):
            covered.update(PurePosixPath(entry.path) for entry in read_inventory(file)[0])
    inside, inventories = _of_run(path, results), PurePosixPath(RESULTS, FOLDER)
    places = {file: inside / file.relative_to(path).as_posix() for file in _visible_files(path)}
    return sorted(file for file, place in places.items() if place not in covered and place.parent != inventories)


def _of_run(path: Path, results: Path) -> PurePosixPath:
    """Return the path that inventories have for a file or folder, whatever the results folder is called now."""
    return PurePosixPath(RESULTS, path.resolve().relative_to(results).as_posix())


def _with_all_parts(results: Path, found: Iterable[str]) -> list[str]:
    """Return the names of all inventories of a run, also of those that are missing: each names all."""
    names = set(found)
    for part in found:
        try:
            names.update(read_inventory(results / FOLDER / f"{part}.json")[1])
        except UserError:
            continue
    return sorted(names)


def _problem(path: Path, entry: Entry) -> str | None:
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            return f"has {size:,} bytes, not {entry.bytes:,}"
        return None if sha256(path) == entry.sha256 else "its bytes are not those that were written"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def repair(damage: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the commands that make damaged files again.

    The rules are named so that Snakemake looks at nothing else: what was made from the files is as it should be.

    Args:
        damage: Target and rule of each.
    """
    pairs = sorted(set(damage))
    if pairs:
        rules = sorted({rule for _, rule in pairs})
        targets = dict.fromkeys(target for target, _ in pairs)
        yield f"{SNAKEMAKE} --allowed-rules {' '.join(rules)} --force {' '.join(targets)}"
        yield f"{SNAKEMAKE} --touch"
