"""Names that stand for objects in code: of this package, of an installed one, or in a file of the user's own.

A *reference* is ``module:object`` or ``folder/file.py:object``. What it names is imported when it is first used, so
that the configuration can be read and the workflow planned without PyTorch or pandas.
"""

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from faceflip.errors import UserError, did_you_mean

Entry = TypeVar("Entry")


def is_reference(name: object) -> bool:
    """Return whether a name is a reference, and not one of a registry."""
    return isinstance(name, str) and ":" in name


def from_home(path: str) -> str:
    """Return a path with the home folder in place of a ~ that it begins with, which otherwise only shells replace."""
    with suppress(RuntimeError):  # of a user that there is not
        return str(Path(path).expanduser()) if path.startswith("~") else path
    return path


def own_file(reference: str) -> Path | None:
    """Return the user's file that a reference names, None where it names a module or is no reference."""
    place, colon, _ = reference.rpartition(":")
    return Path(from_home(place)) if colon and place.endswith(".py") else None


def own_files(references: Iterable[str | None]) -> list[str]:
    """Return the users' files among some references, each once, as they are written."""
    files = (own_file(reference) for reference in references if reference)
    return list(dict.fromkeys(str(file) for file in files if file))


def require_allowed(
    references: Iterable[str | None], allowed: Collection[str] | None, path: Path | str, programs: Iterable[str] = ()
) -> None:
    """Refuse your own code that a file names, because to use it is to run it: a file may come from anywhere.

    Of the names in the file at `path`, which may be references, `allowed` has those that its reader names too; None
    allows any. So it is with `programs` in it. Raises `UserError` for others.
    """
    named = dict.fromkeys([*filter(is_reference, references), *programs])
    foreign = [name for name in named if allowed is not None and name not in allowed]
    if foreign:
        raise UserError(
            f"{path}: it names code of your own, {', '.join(foreign)}, which would be run; if you trust the file, "
            "name that code too: in the configuration, by --own-code on the command line, by own_code in Python"
        )


def label_of(name: str) -> str:
    """Return what to call something in tables: a registered name as it is, of a reference the object's name."""
    return name.rpartition(":")[2]


def look_up(registry: Mapping[str, Entry], name: str, what: str) -> Entry:
    """Return the entry of a name; raises `UserError` with the nearest names where there is no such `what`."""
    if name not in registry:
        raise UserError(f"there is no {what} {name!r}{did_you_mean(name, registry, otherwise='; there are ')}")
    return registry[name]


def load(reference: str) -> Any:
    """Return the object that a reference names; raises `UserError` where there is none or it cannot be imported."""
    place, _, name = reference.rpartition(":")
    if not place or not name:
        raise UserError(f"{reference!r}: expected FILE.py:NAME or MODULE:NAME")
    file = own_file(reference)
    module = _imported_file(file.resolve(), reference) if file else _imported_module(place, reference)
    try:
        return getattr(module, name)
    except AttributeError:
        public = [known for known in vars(module) if not known.startswith("_")]
        raise UserError(f"{reference}: {place} has no {name!r}{did_you_mean(name, public)}") from None


def load_class(reference: str, base: type) -> type:
    """Return the class that a reference names, which must derive from `base` (or have the methods of a protocol).

    Raises `UserError` as `load` does, or where it is something else.
    """
    found = load(reference)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UserError(f"{reference}: expected a class like {base.__module__}.{base.__name__}, found {found!r}")
    return found


def _imported_module(name: str, reference: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"{reference}: {name} cannot be imported ({error}); is it installed?") from error
    except Exception as error:
        raise UserError(f"{reference}: {name} cannot be imported ({type(error).__name__}: {error})") from error


def _imported_file(path: Path, reference: str) -> ModuleType:
    """Import a file of the user's under a name that no other module has; its folder's modules can be imported by it."""
    name = f"faceflip_own_{path.stem}_{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise UserError(f"{reference}: no such file; paths are seen from {Path.cwd()}")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"{reference}: cannot be imported ({type(error).__name__}: {error})") from error
    return module
