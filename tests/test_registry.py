"""References to code of your own: found, or refused with what is wrong."""

import re
import sys

import pytest

from faceflip.errors import UserError
from faceflip.registry import from_home, is_reference, label_of, load, load_class, look_up, own_file, own_files


def test_what_a_reference_is():
    assert is_reference("mine.py:Mine")
    assert is_reference("package.module:thing")
    for name in ("vgg16", "torchvision/resnet18", None, 3):
        assert not is_reference(name)
    assert str(own_file("folder/mine.py:Mine")) == "folder/mine.py"
    assert own_file("package.module:thing") is own_file("vgg16") is None
    assert own_files(["a.py:X", None, "b.py:Y", "vgg16", "a.py:Z"]) == ["a.py", "b.py"]
    assert (label_of("folder/mine.py:Mine"), label_of("vgg16")) == ("Mine", "vgg16")


def test_a_path_from_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert str(own_file("~/mine.py:Mine")) == "/home/me/mine.py"
    assert from_home("~nobody-of-this-name/faces") == "~nobody-of-this-name/faces"
    assert from_home("faces/~/") == "faces/~/"


def test_an_object_of_an_installed_module():
    assert load("pathlib:Path").__name__ == "Path"


def test_an_object_of_a_file_and_its_neighbours(tmp_path, monkeypatch):
    (tmp_path / "own_neighbour.py").write_text("number = 5\n")
    (tmp_path / "mine.py").write_text("from own_neighbour import number\nclass Mine:\n    value = number\n")
    assert load(f"{tmp_path}/mine.py:Mine").value == 5
    monkeypatch.chdir(tmp_path)
    assert load("mine.py:Mine") is load(f"{tmp_path}/mine.py:Mine"), "the same file is imported once"
    sys.modules.pop("own_neighbour")


def test_files_of_the_same_name_are_different_modules(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"place = {folder!r}\n")
    assert [load(f"{tmp_path}/{folder}/mine.py:place") for folder in ("one", "two")] == ["one", "two"]


def test_a_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=re.escape(f"mine.py:Mine: no such file; paths are seen from {tmp_path}")):
        load("mine.py:Mine")
    (tmp_path / "mine.py").write_text("Mine = 1\n")
    assert load("mine.py:Mine") == 1, "found once it is there"


def test_a_missing_object_with_near_names(tmp_path):
    (tmp_path / "mine.py").write_text("class Hinge:\n    pass\n_hinges = 1\n")
    with pytest.raises(UserError, match=r"mine\.py:Hinges: .*mine\.py has no 'Hinges'; did you mean Hinge\?$"):
        load(f"{tmp_path}/mine.py:Hinges")
    with pytest.raises(UserError, match=r"pathlib:Paht: pathlib has no 'Paht'; did you mean Path"):
        load("pathlib:Paht")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("def f(:\n", "SyntaxError: "),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_file(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"mine\.py:Mine: cannot be imported \({message}"):
        load(f"{path}:Mine")
    path.write_text("Mine = 2\n")
    assert load(f"{path}:Mine") == 2, "a mended file is imported anew"


def test_a_broken_module(tmp_path, monkeypatch):
    (tmp_path / "own_broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"own_broken:Mine: own_broken cannot be imported \(ZeroDivisionError"):
        load("own_broken:Mine")
    with pytest.raises(UserError, match=r"no_such_package cannot be imported \(.*\); is it installed"):
        load("no_such_package:Mine")


@pytest.mark.parametrize("reference", ["mine.py:", ":Mine", "mine.py"])
def test_half_a_reference(reference):
    with pytest.raises(UserError, match=r"expected FILE\.py:NAME or MODULE:NAME"):
        load(reference)


def test_an_object_of_another_kind(tmp_path):
    (tmp_path / "mine.py").write_text("class Mine(ValueError):\n    pass\ndef made():\n    pass\n")
    assert load_class(f"{tmp_path}/mine.py:Mine", Exception).__name__ == "Mine"
    for name, base in (("Mine", KeyError), ("made", Exception)):
        with pytest.raises(UserError, match=rf"mine\.py:{name}: expected a class like builtins\.{base.__name__}, fou"):
            load_class(f"{tmp_path}/mine.py:{name}", base)


def test_names_that_a_registry_does_not_have():
    registry = {"euclidean": 1, "softmax": 2}
    assert look_up(registry, "softmax", "loss") == 2
    with pytest.raises(UserError, match=r"^there is no loss 'euclid'; did you mean euclidean"):
        look_up(registry, "euclid", "loss")
    with pytest.raises(UserError, match=r"^there is no loss None; there are euclidean, softmax"):
        look_up(registry, None, "loss")
