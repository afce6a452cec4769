"""Seconds from `kill -9` of one of two ranks to the next completed step: DDP and DCP checkpoints under torchrun.

  OMP_NUM_THREADS=1 python restart_ddp.py DIRECTORY [--workload mlp] [--every 50] [--kills 1] [--timeout 120]

DIRECTORY is emptied first. Prints one JSON line; lists hold one number for each kill:
  next_step   until the first step that completes after the kill
  new_step    until the first step that had not been reached before it (work since the last checkpoint is done again)
  starts      how often rank 1 was started after the kill: the rendezvous may hand out the addresses of dead processes, so
              that the first new processes fail as well
A kill from which training does not come back within --timeout ends the trial: its entries are null.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

RANKS = 2


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--workload", default="mlp")
    parser.add_argument("--every", type=int, default=50, help="steps between two checkpoints")
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=120)
    return parser.parse_args()


# --- what each rank runs ---
def train(arguments):
    import torch
    import torch.distributed as dist
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
    from torch.nn.parallel import DistributedDataParallel

    import workloads

    rank, checkpoints = os.environ["RANK"], arguments.directory / "checkpoints"
    with open(arguments.directory / f"starts.{rank}", "a") as starts:
        starts.write(f"{time.time()}\n")
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    model = DistributedDataParallel(workloads.MODELS[arguments.workload]())
    optimizer = workloads.optimizer_of(arguments.workload, model.parameters())

    def state():
        return dict(zip(("model", "optimizer"), get_state_dict(model, optimizer)))

    complete = [int(path.parent.name) for path in checkpoints.glob("*/.metadata")]  # DCP writes this file last
    step = max(complete, default=0)
    if complete:
        stored = state()
        dcp.load(stored, checkpoint_id=checkpoints / str(step))
        set_state_dict(model, optimizer, model_state_dict=stored["model"], optim_state_dict=stored["optimizer"])
    batch = workloads.random_batch(arguments.workload, workloads.GLOBAL_BATCH[arguments.workload] // RANKS)
    with open(arguments.directory / f"steps.{rank}", "a", buffering=1) as log:
        while True:
            optimizer.zero_grad()
            workloads.loss_of(model, batch).backward()
            optimizer.step()
            step += 1
            log.write(f"{time.time()} {step} {os.getpid()}\n")
            if step % arguments.every == 0:
                dcp.save(state(), checkpoint_id=checkpoints / str(step))


# --- the one that kills and measures ---
def steps_of(directory, rank):
    """[(time, step, process)] of what a rank has completed so far; a last line that is being written is left out."""
    try:
        lines = (directory / f"steps.{rank}").read_text().split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [(float(when), int(step), int(process)) for when, step, process in (line.split() for line in lines)]


def wait_for(condition, timeout):
    """The condition's first true value, or None when time is over."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    return None


def starts_after(directory, moment):
    return sum(float(line) > moment for line in (directory / "starts.1").read_text().split())


def kill_once(arguments, number):
    """(next_step, new_step, starts) of one kill, in mid-interval; None when training does not come back."""
    directory = arguments.directory
    target = number * 3 * arguments.every + arguments.every // 2
    if not wait_for(lambda: any(step >= target for _, step, _ in steps_of(directory, 1)[-1:]), arguments.timeout):
        return None
    victim = steps_of(directory, 1)[-1][2]
    os.kill(victim, signal.SIGKILL)
    killed = time.time()
    reached = max(step for _, step, _ in steps_of(directory, 0))

    def new_steps():
        after = [(when, step) for when, step, process in steps_of(directory, 1) if when > killed and process != victim]
        return after if any(step > reached for _, step in after) else None

    after = wait_for(new_steps, arguments.timeout)
    if after is None:
        return None
    new_step = next(when for when, step in after if step > reached)
    return round(after[0][0] - killed, 2), round(new_step - killed, 2), starts_after(directory, killed)


def stop(launcher, directory):
    """torchrun's ranks run in sessions of their own, so a launcher that hangs leaves them behind."""
    ranks = {process for rank in range(RANKS) for _, _, process in steps_of(directory, rank)[-1:]}
    os.killpg(launcher.pid, signal.SIGTERM)
    try:
        launcher.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(launcher.pid, signal.SIGKILL)
        launcher.wait()
        for process in ranks:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass


def drive(arguments):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    shutil.rmtree(arguments.directory, ignore_errors=True)
    (arguments.directory / "checkpoints").mkdir(parents=True)
    with open(arguments.directory / "output", "w") as output:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(RANKS), "--max-restarts", "20",
             __file__, *sys.argv[1:]],
            env={**os.environ, "RESTART_DDP_RANK": "1"}, stdout=output, stderr=output, start_new_session=True)
    results = []
    try:
        for number in range(1, arguments.kills + 1):
            results.append(kill_once(arguments, number) or (None, None, None))
            if results[-1][0] is None:
                break
    finally:
        stop(launcher, arguments.directory)
    next_step, new_step, starts = zip(*results)
    print(json.dumps({"peer": "torchrun", "workload": arguments.workload, "every": arguments.every,
                      "next_step": next_step, "new_step": new_step, "starts": starts}))


if __name__ == "__main__":
    (train if "RESTART_DDP_RANK" in os.environ else drive)(parse_arguments())
