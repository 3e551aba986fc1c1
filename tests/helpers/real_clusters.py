"""A real ssh server and a one-node SLURM cluster, run under the account of the tests with their own ports and folder."""

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from real_servers import free_port, started, wait_for

SLURM = "munged", "slurmctld", "slurmd", "sbatch", "squeue"
SSH = "sshd", "ssh", "ssh-keygen"
SYSTEM_FOLDERS = ":/usr/sbin:/usr/local/sbin"
SLURM_CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={daemon}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=64000 State=UNKNOWN
PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def program(name: str) -> str | None:
    """Path of a program, searched in the folders of system daemons too."""
    return shutil.which(name, path=os.environ["PATH"] + SYSTEM_FOLDERS)


@contextmanager
def ssh_server(folder: Path) -> Iterator[list[str]]:
    """Run an ssh server that accepts a new key; yield the command that opens a session."""
    port = free_port()
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    settings = {"HostKey": "host", "AuthorizedKeysFile": "key.pub", "PidFile": "sshd.pid"}
    options = [f"-o{key}={folder / name}" for key, name in settings.items()]
    options += ["-oStrictModes=no", "-oUsePAM=no", "-oListenAddress=127.0.0.1", f"-oPort={port}"]
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with started([program("sshd"), "-D", "-e", "-f", "/dev/null", *options], folder / "sshd.log") as server:
        wait_for(lambda: "listening on" in (folder / "sshd.log").read_text(), server)
        checks = ["-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR"]
        yield ["ssh", "-i", str(folder / "key"), "-p", str(port), *checks, "127.0.0.1"]


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Run a controller and a node with two CPUs; yield the environment that points SLURM's commands to them."""
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    conf = folder / "slurm.conf"
    conf.write_text(
        SLURM_CONF.format(host=host, folder=folder, user=getpass.getuser(), control=free_port(), daemon=free_port())
    )
    for name in ("spool", "state"):
        (folder / name).mkdir()
    environment = {"SLURM_CONF": str(conf)}
    files = [f"--{key}={folder / f'munge.{name}'}" for key, name in (("key-file", "key"), ("socket", "socket"))]
    files += [f"--{name}={folder / f'munge.{name}'}" for name in ("pid-file", "log-file", "seed-file")]
    with ExitStack() as stack:
        munge = stack.enter_context(started([program("munged"), "--foreground", "--force", *files], folder / "munged.log"))
        wait_for((folder / "munge.socket").exists, munge)
        for daemon in ("slurmctld", "slurmd"):
            stack.enter_context(started([program(daemon), "-D", "-f", str(conf)], folder / f"{daemon}.log", **environment))
        wait_for(lambda: "idle" in asked(["sinfo", "--noheader", "--format=%T"], environment))
        yield environment
        asked(["scancel", "--user", getpass.getuser()], environment)
        wait_for(lambda: not asked(["squeue", "--noheader"], environment))


def asked(command: list[str], environment: dict[str, str]) -> str:
    """Return the output of a command, which is empty while its server does not answer."""
    found = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False)
    return found.stdout.strip()
