#!/bin/sh
# Says what became of a job of Slurm: running, success or failed. Accounting may not know it yet.
state=$(sacct --jobs="$1" --allocations --noheader --parsable2 --format=State 2>/dev/null | tail -n 1)
: "${state:=$(squeue --jobs="$1" --states=all --noheader --format=%T 2>/dev/null)}"
case $state in
COMPLETED) echo success ;;
"" | PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | REQUEUED | RESIZING) echo running ;;
*) echo failed ;;
esac
