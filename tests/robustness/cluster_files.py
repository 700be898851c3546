"""The configuration of the tests' Slurm: three nodes for all, one of them in reserve, and one with two GPUs."""

from slurm_config import MARK, SLURM_CONFIG

NODES = {"face1": 17101, "face2": 17102, "face3": 17103, "gpu1": 17104}
"""The nodes and their ports."""

CONTROLLER_PORT, DATABASE_DAEMON_PORT, DATABASE_PORT = 17100, 17199, 17198

SLURM = """{mark}
ClusterName=faceflip
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job of a node that went down is begun again after this many seconds.
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
# Memory is limited by the kernel.
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
MpiDefault=none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database_daemon_port}
AccountingStorageEnforce=associations
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=1
GresTypes=gpu
# A node that is not heard of for so many seconds is down: a busy machine may take its time.
SlurmdTimeout=30
ReturnToService=2
KillWait=2
SlurmdParameters=config_overrides
NodeName=DEFAULT CPUs=2 RealMemory=16000 State=UNKNOWN
{nodes}
PartitionName=short Nodes=face[1-3] Default=YES MaxTime=60 MaxMemPerNode=8000
PartitionName=long Nodes=face[1-3] MaxTime=7-0
PartitionName=gpu Nodes=gpu1 MaxTime=1-0
"""

CGROUP = """{mark}
ConstrainRAMSpace=yes
ConstrainCores=no
ConstrainDevices=no
"""

GRES = """{mark}
NodeName=gpu1 Name=gpu Type=a100 File={folder}/gpu[0-1]
"""

DATABASE_DAEMON = """{mark}
AuthType=auth/munge
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={database_daemon_port}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""

FILES = {
    SLURM_CONFIG: SLURM,
    SLURM_CONFIG.with_name("cgroup.conf"): CGROUP,
    SLURM_CONFIG.with_name("gres.conf"): GRES,
    SLURM_CONFIG.with_name("slurmdbd.conf"): DATABASE_DAEMON,
}
"""The files below /etc by what they contain; that of the whole first, because it says whose they are."""


def write(folder, host):
    """Write all files."""
    node = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port}{more}"
    more = {"gpu1": " CPUs=4 Gres=gpu:a100:2"}
    nodes = [node.format(name=name, host=host, port=port, more=more.get(name, "")) for name, port in NODES.items()]
    fields = {
        "mark": MARK,
        "folder": folder,
        "host": host,
        "controller_port": CONTROLLER_PORT,
        "database_daemon_port": DATABASE_DAEMON_PORT,
        "database_port": DATABASE_PORT,
        "nodes": "\n".join(nodes),
    }
    SLURM_CONFIG.parent.mkdir(exist_ok=True)
    for path, text in FILES.items():
        path.touch(mode=0o600)
        path.write_text(text.format(**fields))


def remove():
    """Remove all files; the one that says whose they are last."""
    for path in reversed(FILES):
        path.unlink(missing_ok=True)
