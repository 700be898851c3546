"""Computes on a simulated GPU, as a job does: one of four, of which it sees those that the scheduler shows it."""

import json
import os
import sys
import time
import types
from pathlib import Path

import torch

from faceflip.runtime.device import computing_on
from faceflip.runtime.gpus import visible_gpus

GPUS = [f"GPU-{digit * 8}-0000-0000-0000-000000000000" for digit in "0123"]


def seen():
    """Return the GPUs that PyTorch, by its own reading of CUDA_VISIBLE_DEVICES, would see."""
    return [GPUS[number] for number in torch.cuda._parse_visible_devices() if number < len(GPUS)]


torch.cuda.is_available = lambda: bool(seen())
torch.cuda.device_count = lambda: len(seen())
torch.cuda.get_device_properties = lambda number: types.SimpleNamespace(uuid=seen()[number])
torch.cuda.set_device = lambda number: None

with computing_on("cuda", threads=1) as device:
    begun = time.time()
    time.sleep(6)
    told = {"visible": os.environ["CUDA_VISIBLE_DEVICES"], "gpu": visible_gpus()[device.index]}
    Path(sys.argv[1]).write_text(json.dumps({**told, "begun": begun, "ended": time.time()}))
