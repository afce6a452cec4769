"""parallel.bind_to_cores: which cores a rank may use."""
import os
import re
import subprocess
import time

import pytest
import runs

CORES = sorted(os.sched_getaffinity(0))
pytestmark = pytest.mark.skipif(len(CORES) < 2, reason="this machine has one core: ranks cannot have cores of their own")
SAYS_BOUND = "parallel.bind_to_cores: the launcher has bound the ranks to cores already"
RANK_ON = 'exec taskset -c "$(echo $CORES | cut -d" " -f$((OMPI_COMM_WORLD_LOCAL_RANK + 1)))" "$@"'


def cores_of_ranks(tmp_path, *before):
    """Of two ranks: the cores that their training threads may use, and what was printed."""
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=1_000_000, parallel={"bind_to_cores": True}))
    command = ["mpirun", "--bind-to", "none", "-n", "2", *before, runs.BIN / "holdfast-train", config, "--run-dir", tmp_path / "run"]
    with open(tmp_path / "output.txt", "w") as output:
        process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output,
                                   env={**runs.environment(), "CORES": " ".join(map(str, CORES))})
    try:
        runs.Run(tmp_path / "run").wait_for_step(1, process)
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, timeout=10).stdout.split()
        cores = [frozenset(os.sched_getaffinity(int(child))) for child in children if open(f"/proc/{child}/comm").read().startswith("holdfast")]
    finally:
        process.terminate()
        process.wait(30)
    return cores, (tmp_path / "output.txt").read_text()


def test_ranks_that_share_cores_get_cores_of_their_own(tmp_path):
    started = time.monotonic()
    cores, output = cores_of_ranks(tmp_path)
    assert len(cores) == 2 and not cores[0] & cores[1] and cores[0] | cores[1] == set(CORES), (cores, output)
    assert SAYS_BOUND not in output and time.monotonic() - started < 60


def test_what_the_launcher_has_bound_stays_bound(tmp_path):
    started = time.monotonic()
    cores, output = cores_of_ranks(tmp_path, "sh", "-c", RANK_ON, "rank")
    assert sorted(cores, key=min) == [frozenset({CORES[0]}), frozenset({CORES[1]})], (cores, output)
    assert len(re.findall(SAYS_BOUND, output)) >= 1 and time.monotonic() - started < 60
