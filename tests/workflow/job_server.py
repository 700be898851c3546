"""Runs the scripts of jobs, each in a fork of a process that has imported the libraries that they use.

Nothing of faceflip is imported here: a job uses the one that its run names. Started by `snakemake_server.py` with a
socket that listens as its argument; it ends when its standard input does.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys

import cv2  # noqa: F401
import h5py  # noqa: F401
import jinja2  # noqa: F401
import matplotlib.figure  # noqa: F401
import numba  # noqa: F401
import pandas as pd  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pydantic  # noqa: F401
import scipy.stats  # noqa: F401
import snakemake.iocontainers
import snakemake.logging  # noqa: F401
import torch  # noqa: F401
import yaml  # noqa: F401
from forks import in_a_fork, use_environment


def run(request):
    """Do what `python SCRIPT` does in a folder and an environment."""
    os.chdir(request["folder"])
    use_environment(request["environment"])
    sys.argv = [request["script"]]
    searched = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:1] = [os.path.dirname(request["script"]), *searched]  # noqa: PTH120
    runpy.run_path(request["script"], run_name="__main__")


def answer(connection):
    """Run the one script that a client asks for, and tell it the exit status."""
    _, files, _, _ = socket.recv_fds(connection, len(b"files"), 3)
    for descriptor, file in enumerate(files):
        os.dup2(file, descriptor)
        os.close(file)
    with connection.makefile() as sent:
        request = json.load(sent)
    connection.sendall(json.dumps(in_a_fork(run, request)).encode())


listener = socket.socket(fileno=int(sys.argv[1]))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
gc.freeze()
while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
    connection = listener.accept()[0]
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        answer(connection)
        os._exit(0)
    connection.close()
