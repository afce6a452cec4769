"""PyTorch's side: runs a script of bench/peers in its own environment and reads the JSON line that it prints."""
import json
import os
import pathlib
import subprocess
import sys

PEERS = pathlib.Path(__file__).resolve().parent.parent / "peers"


def python():
    """bench/run.sh says where the environment is."""
    root = os.environ.get("HOLDFAST_PEER")
    if not root:
        sys.exit("HOLDFAST_PEER is not set: start this through bench/run.sh, which sets the peer up")
    return os.path.join(root, "bin", "python")


def torchrun(ranks, interpreter=None):
    return [interpreter or python(), "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]


def output(command, timeout):
    """What it prints. One thread a process, as on our side."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=PEERS, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout)
    if done.returncode != 0 or "{" not in done.stdout:
        sys.exit(f"the peer failed ({done.returncode}): {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def figures(output_of_a_script):
    """The JSON line that it ends with."""
    return json.loads(output_of_a_script.strip().split("\n")[-1])


def run(command, timeout):
    return figures(output(command, timeout))
