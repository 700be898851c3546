"""Builders of small stores with known content, and the commands that look into them."""

import pytest
import typer
from store_builder import Builder
from typer.testing import CliRunner

from faceflip.cli import store as commands


@pytest.fixture
def build(tmp_path):
    return Builder(tmp_path)


@pytest.fixture(scope="module")
def build_once(tmp_path_factory):
    return Builder(tmp_path_factory.mktemp("stores"))


@pytest.fixture
def call():
    """Run a command; return its exit status and output, or raise what it raises."""
    app = typer.Typer()
    for command in (commands.inspect, commands.show, commands.check, commands.export, commands.diff):
        app.command()(command)

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return run
