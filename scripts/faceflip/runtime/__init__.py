"""What a process needs around its work: the job, progress, the lock of a run, GPUs, the device, compiled code."""
