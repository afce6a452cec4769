"""Milliseconds of `holdfast --help`, against `torchrun --help`. Figure startup.help. Start it through bench/run.sh."""
import argparse
import subprocess
import time

from harness import holdfast, peer
from harness.figure import arguments_of, print_figure


def milliseconds(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1e3


def main():
    arguments = arguments_of(argparse.ArgumentParser(description=__doc__))
    commands = ([str(holdfast.PROGRAMS / "holdfast"), "--help"], [peer.python(), "-m", "torch.distributed.run", "--help"])
    for command in commands:
        milliseconds(command)  # reads the files from disk once
    ours, theirs = zip(*([milliseconds(command) for command in commands] for _ in range(arguments.repeat)))
    print_figure("startup.help", "ms", list(ours), list(theirs))


if __name__ == "__main__":
    main()
