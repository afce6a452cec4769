"""Seconds from `kill -9` of one of two ranks to the first step that had not been reached before, against torchrun.

Figures restart.kill, and restart.standby with `restart.standby: true`. Both sides train the mlp with a checkpoint every 50 steps and are killed in mid-interval; one kill a
trial, sides in turns. A peer that does not come back within its time limit counts as that limit (`peer_lost` says how
often). Start it through bench/run.sh.
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from harness import holdfast, peer
from harness.figure import arguments_of, print_figure, median, rounded

EVERY = 50
KILL_AT = 3 * EVERY + EVERY // 2
TIMEOUT_SECONDS = 120


def wait_for(condition, what):
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise TimeoutError(f"waited {TIMEOUT_SECONDS} s for {what}")


def last_step(metrics_path):
    """(identity of the file, last step in it). A resumed run replaces the file, so a new identity is the new attempt."""
    try:
        with open(metrics_path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
            lines = file.read().split(b"\n")[:-1]
            return os.fstat(file.fileno()).st_ino, json.loads(lines[-1])["step"] if lines else 0
    except FileNotFoundError:
        return None, 0


def environment_of(process):
    try:
        return pathlib.Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def is_trainer(process):
    try:
        return os.path.basename(os.readlink(f"/proc/{process}/exe")) == "holdfast-train"
    except OSError:
        return False


def process_of_rank(rank, run_directory):
    """The holdfast-train of a rank of the first attempt, told from others on this machine by the run directory on its command line."""
    for process in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        wanted = {f"OMPI_COMM_WORLD_RANK={rank}".encode(), b"HOLDFAST_ATTEMPT=1"}
        if is_trainer(process) and wanted <= set(environment_of(process)):
            command = pathlib.Path(f"/proc/{process}/cmdline").read_bytes() + b"".join(environment_of(process))
            if str(run_directory).encode() in command:
                return process
    return None


def is_standby_ready(run_directory):
    try:
        return '"standby_ready"' in (run_directory / "journal.jsonl").read_text()
    except FileNotFoundError:
        return False


def ours(has_standby):
    with holdfast.scratch_directory() as directory:
        run_directory, log_path = pathlib.Path(directory) / "run", pathlib.Path(directory) / "log"
        metrics = run_directory / "metrics.jsonl"
        with open(log_path, "w") as log:
            supervisor = subprocess.Popen(
                [str(holdfast.PROGRAMS / "holdfast"), "run", str(holdfast.CONFIGS / "restart_mlp.yaml"), "-n", "2",
                 "--run-dir", str(run_directory), "--set", f"restart.standby={str(has_standby).lower()}"],
                env=holdfast.ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                wait_for(lambda: last_step(metrics)[1] >= KILL_AT, f"step {KILL_AT}")
                if has_standby:
                    wait_for(lambda: is_standby_ready(run_directory), "a standby")
                victim = process_of_rank(1, run_directory)
                os.kill(victim, signal.SIGKILL)
                killed = time.monotonic()
                identity, reached = last_step(metrics)

                def is_beyond():
                    now, step = last_step(metrics)
                    return now != identity and step > reached

                wait_for(is_beyond, f"a step beyond {reached}")
                return time.monotonic() - killed
            except (TimeoutError, TypeError, ProcessLookupError) as error:
                sys.exit(f"our side failed: {error}\n{log_path.read_text()}")
            finally:
                supervisor.send_signal(signal.SIGINT)  # checkpoints and ends
                supervisor.wait(30)


def theirs():
    """(seconds, starts), or None when training did not come back."""
    with holdfast.scratch_directory() as directory:
        result = peer.run([peer.python(), "restart_ddp.py", f"{directory}/run", "--workload", "mlp", "--every", str(EVERY),
                           "--kills", "1", "--timeout", str(TIMEOUT_SECONDS)], 3 * TIMEOUT_SECONDS)
        return None if result["new_step"][0] is None else (result["new_step"][0], result["starts"][0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments = arguments_of(parser)
    our_seconds, standby_seconds, peer_results = [], [], []
    for _ in range(arguments.repeat):
        peer_results.append(theirs())
        our_seconds.append(ours(has_standby=False))
        standby_seconds.append(ours(has_standby=True))
    came_back = [result for result in peer_results if result]
    peer_seconds = [result[0] if result else TIMEOUT_SECONDS for result in peer_results]
    for figure, seconds in (("restart.kill", our_seconds), ("restart.standby", standby_seconds)):
        print_figure(figure, "s", seconds, peer_seconds, peer_lost=len(peer_results) - len(came_back),
                     peer_starts=rounded(median([starts for _, starts in came_back])))


if __name__ == "__main__":
    main()
