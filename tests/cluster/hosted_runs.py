"""Supervised runs over the hosts of a lab, and a record of what was done to them that does not come from the supervisor."""
import os
import signal
import time

import hosts
import runs
import times
from runs import wait_until

LEASE = 5             # restart.lease_seconds of these runs, its default
DETECTION = 3         # beyond the lease
RECOVERY = 5          # from the detection to a step that is new
SECONDS_TO_VANISH = 2
PROGRAMS = ("holdfast", "holdfast-train", "holdfast-guard", "orted", "mpirun", "orterun")


def configuration(**changes):
    """Some seconds of training, in which there is time to strike."""
    return runs.configuration("mlp", max_steps=400, **runs.merged(
        {"task": runs.SLOW, "trainer": {"threads_per_rank": 1}, "validation": {"every_epochs": 100},
         "checkpoints": [{"name": "regular", "every_steps": 50, "limit": 2}], "restart": {"lease_seconds": LEASE}}, changes))


class HostedRun(runs.Run):
    """Supervised on the lab's host 0."""

    def __init__(self, lab, directory):
        super().__init__(directory)
        self.lab, self.record = lab, []

    def begin(self, config, allowed, arguments=()):
        self.directory.mkdir(parents=True, exist_ok=True)
        words = [runs.BIN / "holdfast", "run", config, "--hosts", allowed, "--launch-agent", hosts.AGENT, "--run-dir", self.directory, *arguments]
        with open(self.directory / "output.txt", "a") as output:
            self.process = self.lab.start(0, *words, stdout=output, stderr=output, env=runs.environment())
        return self

    def until_step(self, step, seconds=60):
        self.wait_for_step(step, self.process, seconds)
        return self

    def text(self):
        return (self.directory / "output.txt").read_text()

    def end(self, seconds=90):
        """The exit code."""
        return self.process.wait(seconds)

    def whole(self):
        assert self.end() == 0, self.text()
        return self

    # --- what is done to it, and when ---

    def strike(self, what, host):
        """One of the lab's verbs: crash, dead, cut, mute, deafen, heal, boot."""
        self.record.append({"what": what, "host": host, "unix_seconds": time.time()})
        getattr(self.lab, what)(host)

    def send(self, number, host, *names):
        """A signal to the processes of these names on a host; returns their pids."""
        pids = [pid for pid, name in self.lab.processes(host).items() if name in names]
        assert len(pids) >= len(names), self.lab.processes(host)
        self.record.append({"what": signal.Signals(number).name, "host": host, "names": names, "unix_seconds": time.time()})
        for pid in pids:
            os.kill(pid, number)
        return pids

    # --- what became of it ---

    def placements(self):
        """Of each attempt: {host: ranks}."""
        return [{one["host"]: one["ranks"] for one in line["hosts"]} for line in self.journal("attempt_started")]

    def struck(self, host):
        """What was done to it last, by our own record."""
        return [line for line in self.record if line["host"] == host][-1]

    def assert_host_lost(self, host, ranks, nth=0, struck=None):
        """Told with host and ranks, in time after it was struck by our own record, and the run went on in time."""
        lost, name = self.journal("host_lost")[nth], f"node{host}"
        assert (lost["host"], lost["ranks"]) == (name, ranks), lost
        told = f"host {name} is lost with rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))}: "
        assert told in self.text()
        ended = [line for line in self.journal("attempt_ended") if line["attempt"] == lost["attempt"]][0]
        assert told in ended["reason"] and ended["cause"]["host"] == name, ended
        struck = struck or self.struck(host)
        seconds = lost["unix_seconds"] - struck["unix_seconds"]
        assert 0 < seconds < LEASE + DETECTION, f"detected {struck['what']} after {seconds:.1f} s"
        return lost

    def assert_recovered(self, lost):
        ended = [line for line in self.journal("attempt_ended") if line["attempt"] == lost["attempt"]][0]
        struck = self.struck(int(lost["host"].removeprefix("node")))
        told, new_step = times.keep_of_run(self, f"host lost: {struck['what']}", struck["unix_seconds"], lost["attempt"])
        assert 0 < new_step - told < RECOVERY, f"recovered after {new_step - told:.1f} s"
        started = [line for line in self.journal("attempt_started") if line["attempt"] == lost["attempt"] + 1][0]
        assert ended["recomputed_steps"] > 0 or ended["reached_step"] == started["durable_step"]

    def left(self, host):
        return {pid: name for pid, name in self.lab.processes(host).items() if name in PROGRAMS}

    def assert_nothing_left(self, *numbers):
        for host in numbers or range(len(self.lab.hosts)):
            wait_until(lambda: not self.left(host), SECONDS_TO_VANISH, f"the processes of node{host} to end: {self.left(host)}")
            if self.lab.hosts[host].pid:
                names = self.lab.run(host, "ls", "/dev/shm").stdout.split()
                assert not [name for name in names if name.startswith("holdfast")], names
