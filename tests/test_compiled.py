"""Where compiled code is kept."""

import errno
import json
import logging
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from faceflip.runtime import compiled
from faceflip.runtime.elsewhere import python

KERNELS = "faceflip.similarity.kernels"

PROBE = """
import json, sys
from faceflip.runtime import compiled
module, function = sys.argv[1:]
stats = getattr(compiled.load(module), function).stats
print(json.dumps({"hits": sum(stats.cache_hits.values()), "misses": sum(stats.cache_misses.values())}))
"""


# 24 noisy pairs, wide enough that parts of rows are added up in vector registers.
SCORES = """
import hashlib, sys
import numpy as np
from faceflip.similarity import pass_scores
rows, columns = np.mgrid[:218, :178]
waves = 127 + 60 * (np.sin(rows / 11 + np.arange(24)[:, None, None]) + np.cos(columns / 7))
originals = np.repeat(waves[..., None], 3, axis=3).clip(0, 255).astype(np.uint8)
noise = np.random.default_rng(0).integers(-16, 17, originals.shape)
perturbed = (originals + noise).clip(0, 255).astype(np.uint8)
originals.flags.writeable = perturbed.flags.writeable = sys.argv[1] == "writeable"
scores = pass_scores(originals, perturbed)
bytes_ = b"".join(value.tobytes() for value in vars(scores).values())
print(hashlib.sha256(bytes_).hexdigest())
"""


def _python(code: str, *arguments: str, **environment: object) -> str:
    """Run code in a process of its own and return what it prints."""
    return subprocess.run(**python(code, *arguments, **environment), capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_scores_do_not_depend_on_who_compiles(tmp_path):
    """With an empty cache and with a filled one; images that may not be written to need no code of their own."""
    printed = [_python(SCORES, kind, NUMBA_CACHE_DIR=tmp_path) for kind in ("writeable", "writeable", "read-only")]
    assert len(set(printed)) == 1
    assert len(list(tmp_path.rglob("*.nbc"))) == 1


@pytest.mark.slow
def test_what_cannot_be_kept_is_loaded_all_the_same(unwritable):
    counts = json.loads(_python(PROBE, "faceflip.attacks.ray_kernel", "along", NUMBA_CACHE_DIR=unwritable))
    assert counts["hits"] == 1


def test_where_no_other_process_can_compile_this_one_does_and_says_so(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    monkeypatch.delitem(sys.modules, "faceflip.attacks.ray_kernel", raising=False)
    with caplog.at_level(logging.WARNING):
        module = compiled.load.__wrapped__("faceflip.attacks.ray_kernel")
    del sys.modules["faceflip.attacks.ray_kernel"]  # others need one that loads from their own folder
    assert "no other process can compile faceflip.attacks.ray_kernel" in caplog.text
    assert sum(module.along.stats.cache_hits.values()) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("module", "function"), [(KERNELS, "score_group"), ("faceflip.attacks.ray_kernel", "along")])
def test_second_process_compiles_nothing(module, function):
    compiled.load(module)
    assert json.loads(_python(PROBE, module, function)) == {"hits": 1, "misses": 0}


def test_numba_setting_is_left_alone():
    import numba

    before = numba.config.CACHE_DIR
    compiled.load(KERNELS)
    assert before == numba.config.CACHE_DIR


def test_nothing_is_written_beside_the_source():
    compiled.load(KERNELS)
    folder = Path(compiled.__file__).parent
    assert not [path for path in folder.rglob("*.nb[ic]") if "__pycache__" in path.parts]


def test_folder_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    assert compiled.cache_folder(KERNELS).parent == tmp_path / "mine"


def test_folder_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = compiled.cache_folder(KERNELS)
    assert folder.parent == tmp_path / "faceflip"
    assert folder.is_dir()
    assert folder == compiled.cache_folder(KERNELS)


@pytest.fixture
def unwritable(tmp_path):
    """A path that nobody can make a folder in, not even root."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file"


def test_temporary_folder_where_there_is_no_home(monkeypatch, tmp_path, unwritable):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(unwritable))
    monkeypatch.setattr(compiled.tempfile, "tempdir", str(tmp_path))
    assert compiled.cache_folder(KERNELS).parent.parent == tmp_path


def test_code_that_others_could_write_is_not_trusted(monkeypatch, tmp_path, unwritable):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(unwritable))
    monkeypatch.setattr(compiled.tempfile, "tempdir", str(tmp_path))
    compiled.cache_folder(KERNELS).parent.chmod(0o777)
    assert compiled.cache_folder(KERNELS) is None


def test_nowhere_to_write(monkeypatch, unwritable):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(unwritable))
    assert compiled.cache_folder(KERNELS) is None


def test_key_follows_the_sources(tmp_path):
    (tmp_path / "kernels.py").write_text("one = 1\n")
    (tmp_path / "notes.txt").write_text("")
    before = compiled._key(tmp_path)
    (tmp_path / "notes.txt").write_text("changed")
    assert compiled._key(tmp_path) == before
    (tmp_path / "kernels.py").write_text("one = 2\n")
    assert compiled._key(tmp_path) != before


def test_a_lock_that_nobody_releases_is_told(monkeypatch, tmp_path, caplog):
    from filelock import FileLock

    monkeypatch.setattr(compiled, "LOCK_PATIENCE_S", 0.05)
    with FileLock(tmp_path / "lock"), caplog.at_level(logging.WARNING), compiled._locked(tmp_path):
        assert "cannot be locked" in caplog.text


def test_a_disk_without_locks_is_not_waited_for(monkeypatch, tmp_path, caplog):
    (tmp_path / "lock").touch()
    monkeypatch.setattr("fcntl.flock", Mock(side_effect=OSError(errno.ENOSYS, "Function not implemented")))
    with caplog.at_level(logging.WARNING), compiled._locked(tmp_path):
        assert "cannot be locked" in caplog.text
    assert (tmp_path / "lock").exists()
