"""Where compiled code is kept."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from faceflip.runtime import compiled

KERNELS = "faceflip.similarity.kernels"

PROBE = """
import json, sys
from faceflip.runtime import compiled
module, function = sys.argv[1:]
stats = getattr(compiled.load(module), function).stats
print(json.dumps({"hits": sum(stats.cache_hits.values()), "misses": sum(stats.cache_misses.values())}))
"""


@pytest.mark.parametrize(("module", "function"), [(KERNELS, "score_group"), ("faceflip.attacks.ray_kernel", "along")])
def test_second_process_compiles_nothing(module, function):
    compiled.load(module)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, module, function], capture_output=True, text=True, check=True, env=environment
    )
    assert json.loads(done.stdout) == {"hits": 1, "misses": 0}


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
