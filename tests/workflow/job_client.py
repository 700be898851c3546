"""Runs a script through the server of jobs as if this process did: what Snakemake starts in place of Python.

Arguments are the server's socket and the script. Nothing is imported that takes time.
"""

import json
import os
import socket
import sys

where, script = sys.argv[1:]
with socket.socket(socket.AF_UNIX) as server:
    server.connect(where)
    socket.send_fds(server, [b"files"], [0, 1, 2])
    request = {"script": script, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    server.sendall(json.dumps(request).encode())
    server.shutdown(socket.SHUT_WR)
    status = json.loads(server.makefile().read())
if status < 0:
    os.kill(os.getpid(), -status)
sys.exit(status)
