"""A real Slurm, Debian's, on hosts that are namespaces of this machine: its daemons, its clients, and what they say of a job."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from runs import wait_until

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")

CONFIGURATION = """\
ClusterName=holdfast
SlurmctldHost={head}({head_address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# cred_expire is also how long a job that went back into the queue waits before it may start again (120 s by default).
AuthInfo=socket={state}/munge.sock,cred_expire=5
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={state}/ended_jobs
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters={parameters}
StateSaveLocation={state}/state
SlurmdSpoolDir={state}/spool.%n
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.%n.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.%n.log
SlurmctldDebug=verbose
SlurmdDebug=verbose
SlurmctldTimeout=10
SlurmdTimeout=10
SlurmdParameters=config_overrides
InactiveLimit=0
KillWait=10
UnkillableStepTimeout=30
MessageTimeout=5
TCPTimeout=2
ReturnToService=2
JobRequeue=1
MailProg=/bin/true
SwitchType=switch/none
MpiParams=ports=12000-12999
{nodes}
PartitionName=main Nodes={node_names} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes={node_names} MaxTime=INFINITE State=UP OverSubscribe=NO PriorityTier=10 PreemptMode=OFF
"""
# Slurm 22.05 wants to know even where nothing uses it.
CGROUPS = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\n"
NODE = ("NodeName={name} NodeHostname={name} NodeAddr={address} CPUs={cores} Boards=1 SocketsPerBoard=1 CoresPerSocket={cores} ThreadsPerCore=1 "
        "RealMemory=4000 State=UNKNOWN")
CORES_OF_A_NODE = 2
DAEMON_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def require_slurm():
    """Skips the test where Slurm is not installed, and says so."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=DAEMON_PATH)]
    if absent:
        pytest.skip(f"no Slurm here ({', '.join(absent)} missing): HOLDFAST_WITH_SLURM=1 bash scripts/setup.sh")


class Slurm:
    """slurmctld and munged on the lab's node0, a slurmd on each of `nodes` (indices of hosts)."""

    def __init__(self, lab, nodes, parameters="preempt_send_user_signal"):
        require_slurm()
        self.lab, self.nodes, self.parameters, self.daemons = lab, nodes, parameters, []
        self.state = lab.directory / "slurm"
        (self.state / "state").mkdir(parents=True)
        self.configure()
        try:
            self.start_controller()
            for index in nodes:
                self.start_node(index)
            wait_until(lambda: self.client("sinfo", "-h", "-o", "%T %D").stdout.strip() == f"idle {len(nodes)}", 20, "idle nodes")
        except BaseException:
            self.down()
            raise

    def configure(self):
        head, hosts = self.lab.hosts[0], [self.lab.hosts[index] for index in self.nodes]
        lines = "\n".join(NODE.format(name=host.name, address=host.address, cores=CORES_OF_A_NODE) for host in hosts)
        (self.state / "slurm.conf").write_text(CONFIGURATION.format(head=head.name, head_address=head.address, state=self.state, nodes=lines, parameters=self.parameters,
                                                                    node_names=",".join(host.name for host in hosts)))
        (self.state / "cgroup.conf").write_text(CGROUPS)
        key = self.state / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)

    # --- daemons: they end with their hosts ---

    def start_controller(self):
        self.daemon(0, "munged", "--foreground", "--force", f"--key-file={self.state}/munge.key", f"--socket={self.state}/munge.sock",
                    f"--pid-file={self.state}/munged.pid", f"--log-file={self.state}/munged.log", f"--seed-file={self.state}/munge.seed")
        wait_until((self.state / "munge.sock").exists, 10, "munged")
        self.daemon(0, "slurmctld", "-D", "-c")

    def start_node(self, index):
        """Anew, if its host was down."""
        shutil.rmtree(self.state / f"spool.{self.lab.hosts[index].name}", ignore_errors=True)
        (self.state / f"spool.{self.lab.hosts[index].name}").mkdir()
        self.daemon(index, "slurmd", "-D", "-N", self.lab.hosts[index].name)

    def daemon(self, index, *words):
        variables = {"PATH": DAEMON_PATH, "LANG": "C.UTF-8", "SLURM_CONF": f"{self.state}/slurm.conf"}
        with open(self.state / f"{words[0]}.{self.lab.hosts[index].name}.out", "ab") as output:
            self.daemons.append(self.lab.start(index, *words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=variables))

    def down(self):
        """The daemons, not the nsenter that waits for each: who lost that one as a parent might be buried by nobody."""
        for nsenter in self.daemons:
            for pid in pathlib.Path(f"/proc/{nsenter.pid}/task/{nsenter.pid}/children").read_text().split() if nsenter.poll() is None else []:
                os.kill(int(pid), signal.SIGKILL)
            nsenter.wait(10)

    # --- clients ---

    def client(self, *words, variables=(), seconds=30, directory=None):
        """A command of Slurm's, on the head."""
        given = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/root"), "LANG": "C.UTF-8", "SLURM_CONF": f"{self.state}/slurm.conf", **dict(variables)}
        return subprocess.run(self.lab.command(0, *words), capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL, env=given, cwd=directory)

    def submit(self, *words, variables=(), directory=None):
        """The number of the job."""
        done = self.client("sbatch", "--parsable", *words, variables=variables, directory=directory)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip().split(";")[0]

    def job(self, number):
        """What `scontrol show job` says: {key: value}."""
        shown = self.client("scontrol", "show", "job", "-o", number)
        assert shown.returncode == 0, shown.stderr
        return dict(re.findall(r"(\S+?)=(\S*)", shown.stdout))

    def state_of(self, number):
        return self.job(number)["JobState"]

    def wait_for_state(self, number, *states, seconds, evidence=lambda: ""):
        """The job, once it is in one of these states."""
        try:
            wait_until(lambda: self.state_of(number) in states, seconds, f"job {number} to be {' or '.join(states)}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.job(number)}\n{evidence()}") from error
        return self.job(number)

    def ended(self, number):
        """Lines of Slurm's record of ended jobs, one for each time that it ended: [{key: value}]."""
        path = self.state / "ended_jobs"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
        return [line for line in found if line["JobId"] == str(number)]
