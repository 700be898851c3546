"""Python code of this library that another process runs."""

import os
import sys
from pathlib import Path
from typing import Any


def python(program: str, **environment: str) -> dict[str, Any]:
    """Return the arguments of `subprocess.Popen` and `run` for Python code in another process, with more environment.

    It imports from where this process imports, and nothing from the working directory that this one would not.
    """
    places = os.pathsep.join(str(Path(place).absolute()) for place in sys.path)
    return {"args": [sys.executable, "-P", "-c", program], "env": os.environ | environment | {"PYTHONPATH": places}}
