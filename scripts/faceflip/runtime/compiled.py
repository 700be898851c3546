"""Modules of functions compiled by numba, and where their code is kept, so that only the first job pays for compiling.

Left alone, numba writes beside the source file, which may be read-only; lets processes on different processors write to
one index, where one may then run code made for the other; and notices a change only in the function's own file. Here
each processor type, numba version and state of the sources has a folder of its own, and a lock lets one process at a
time look into it: the others wait for the compilation and load its result.

Whoever runs compiled code has loaded it. A process that compiles links the functions that a function calls by
themselves, whereas the stored code has them built in, with sums in another order: the last bits would differ between
the two. Hence a process that finds nothing stored has another one compile.
"""

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import logging
import os
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from faceflip.runtime.elsewhere import python

_log = logging.getLogger(__name__)
_import_lock = threading.Lock()

LOCK_PATIENCE_S = 300


def _key(folder: Path) -> str:
    """Return a name for all that compiled code depends on: processor and its features, numba, a folder of sources."""
    import llvmlite.binding
    import numba

    features = llvmlite.binding.get_host_cpu_features().flatten()
    sources = [path.read_bytes() for path in sorted(folder.glob("*.py"))]
    digest = hashlib.sha256(b"\0".join([features.encode(), *sources])).hexdigest()[:12]
    return f"{llvmlite.binding.get_host_cpu_name()}-numba{numba.__version__}-{digest}"


def _candidates() -> Iterator[Path]:
    """Yield the folders to try: the user's wish, the user's cache, a private folder for temporary files."""
    if wish := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(wish)
        return
    with contextlib.suppress(RuntimeError):
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "faceflip"
    yield Path(tempfile.gettempdir()) / f"faceflip-{os.getuid()}"


def _is_private(folder: Path) -> bool:
    """Tell whether nobody else may put code into `folder`: cached code is run unseen."""
    state = folder.stat()
    return state.st_uid == os.getuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def cache_folder(module: str) -> Path | None:
    """Return the folder for a module's compiled code, made if need be, or None where no place can be written to."""
    sources = Path(importlib.util.find_spec(module).origin).parent
    for parent in _candidates():
        folder = parent / _key(sources)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        if os.environ.get("NUMBA_CACHE_DIR") or (_is_private(parent) and _is_private(folder)):
            return folder
    return None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, or go on without where the file system has none or nobody lets go of it."""
    from filelock import FileLock, Timeout

    # Files in place of locks would outlive a killed process, and all others would lose their patience with them.
    lock = FileLock(folder / "lock", timeout=LOCK_PATIENCE_S, fallback_to_soft=False)
    try:
        lock.acquire()
    except (Timeout, OSError) as fault:
        _log.warning("%s cannot be locked (%s): going on without", folder, fault)
    try:
        yield
    finally:
        lock.release()


class _NotStoredError(Exception):
    """A function that should have been loaded would have to be compiled."""


@contextlib.contextmanager
def _loading_only() -> Iterator[None]:
    """Raise `_NotStoredError` where numba begins to compile a function that is to be kept in its cache."""
    from numba.core import event

    class Refusal(event.Listener):
        def on_start(self, started: event.Event) -> None:
            if started.data["dispatcher"].stats.cache_path is not None:
                raise _NotStoredError

        def on_end(self, ended: event.Event) -> None:
            pass

    with event.install_listener("numba:compile", Refusal()):
        yield


def _compile_elsewhere(module: str, folder: Path) -> None:
    """Have another process compile a module and store the result in `folder`; a failure is logged."""
    command = python(f"import {module} as compiled; compiled.prepare()", NUMBA_CACHE_DIR=folder)
    try:
        subprocess.run(**command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as fault:
        said = (getattr(fault, "stderr", "") or str(fault)).strip().splitlines()[-1:]
        _log.warning(
            "no other process can compile %s (%s): it is compiled in this one, and last bits may differ", module, *said
        )


def _own_folder(module: str, stack: contextlib.ExitStack) -> Path | None:
    """Return the folder for a module's compiled code; where none can be kept, one until `stack` is closed, or None."""
    if folder := cache_folder(module):
        stack.enter_context(_locked(folder))
        return folder
    _log.warning("no folder can be written to for compiled code: %s is compiled anew (set NUMBA_CACHE_DIR)", module)
    try:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faceflip-")))
    except OSError:
        return None


@functools.cache
def load(module: str) -> ModuleType:
    """Return a module of compiled functions, ready to run.

    The first call on a machine has another process compile it by the module's function `prepare`; every process, this
    one too, loads what that left (a second). What it imports from this project must lie in its own folder, where
    changes are looked for.
    """
    import numba

    with _import_lock, contextlib.ExitStack() as stack:
        if folder := _own_folder(module, stack):
            stack.callback(setattr, numba.config, "CACHE_DIR", numba.config.CACHE_DIR)
            # numba reads the setting when a function is decorated, which is when the module is imported.
            numba.config.CACHE_DIR = str(folder)
        loaded = importlib.import_module(module)
        try:
            with _loading_only() if folder else contextlib.nullcontext():
                loaded.prepare()
        except _NotStoredError:
            _compile_elsewhere(module, folder)
            loaded.prepare()
        return loaded
