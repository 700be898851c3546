import subprocess
import sys

import pytest
from typer.testing import CliRunner

from faceflip.cli import main
from faceflip.cli.app import app

COMMANDS = (
    "inspect",
    "show",
    "check",
    "export",
    "diff",
    "compare",
    "flip",
    "pass",
    "labels",
    "subset",
    "plan",
    "status",
    "synthesize",
)


def test_help_names_every_command():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert set(COMMANDS) <= set(result.output.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_or_a_sentence(command):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_an_error_is_one_message_and_status_two(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["faceflip", "inspect", str(tmp_path / "none.h5")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert "none.h5" in error
    assert "Traceback" not in error


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from faceflip.cli.app import app; "
        "print(sorted({'torch', 'pandas', 'numba', 'cv2', 'matplotlib', 'h5py'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_synthesize(tmp_path):
    arguments = ["synthesize", str(tmp_path / "faces"), "--train", "3", "--validation", "1", "--test", "1"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert len(list((tmp_path / "faces" / "img_align_celeba").glob("*.jpg"))) == 5
