"""Python code of this library that another process runs."""

import os
import sys
from pathlib import Path
from typing import Any


def python(program: str, *arguments: object, **environment: object) -> dict[str, Any]:
    """Return what `subprocess.Popen` and `run` take for Python code in another process, with more environment.

    It imports from where this process imports, and nothing from the working directory that this one would not.
    """
    places = os.pathsep.join(str(Path(place).absolute()) for place in sys.path)
    more = {name: str(value) for name, value in environment.items()}
    command = [sys.executable, "-P", "-c", program, *map(str, arguments)]
    return {"args": command, "env": os.environ | more | {"PYTHONPATH": places}}
