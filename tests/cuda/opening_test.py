"""libholdfast_cuda.so is built, opens, resolves every name, and what a machine without a GPU is told."""
import json
import os
import pathlib
import subprocess
import time

import pytest
from driver import has_driver
from runs import BIN, Run, configuration, environment, write_config

PLUGIN = pathlib.Path(os.environ["HOLDFAST_CUDA_FILE"])
TO_REFUSE = 30  # seconds

# Those that need it have "built_plugin" in their names: a ctest of its own, so that it shows as skipped where they all are.
is_built = pytest.mark.skipif(os.environ["HOLDFAST_HAS_CUDA"] != "ON",
                              reason="this build has no CUDA part: HOLDFAST_WITH_CUDA=1 bash scripts/setup.sh, then build again")
without_driver = pytest.mark.skipif(has_driver(), reason="this machine has a driver; scripts/gpu_check.sh tests what it is for")


def refused(directory, config, **variables):
    """What a rank that may not begin says."""
    start = time.monotonic()
    done = subprocess.run([BIN / "holdfast-train", config, "--run-dir", directory], capture_output=True, text=True, timeout=120,
                          env={**environment(), **variables})
    assert time.monotonic() - start < TO_REFUSE
    assert done.returncode == 78, done.stdout + done.stderr
    assert not (directory / "checkpoints").exists(), "it is refused before anything is done"
    return done.stderr + done.stdout


@is_built
def test_every_name_of_the_built_plugin_is_found_in_the_libraries_that_it_asks_for():
    done = subprocess.run(["ldd", "-r", PLUGIN], capture_output=True, text=True, timeout=60)
    for library in ("libtorch_cuda.so", "libc10_cuda.so", "libnccl.so.2", "libcudart.so"):
        assert library in done.stdout, f"{library} is not asked for:\n{done.stdout}"
    lines = (done.stdout + done.stderr).splitlines()
    assert [line for line in lines if "undefined symbol" in line or "not found" in line] == []


@is_built
@without_driver
def test_a_gpu_that_is_asked_for_is_missed_after_the_built_plugin_was_opened(tmp_path):
    config = write_config(tmp_path / "config.yaml", configuration("mlp", run={"device": "cuda"}))
    said = refused(tmp_path / "run", config, LD_DEBUG="files", LD_DEBUG_OUTPUT=str(tmp_path / "loader"))
    for words in ("run.device: cuda", "no driver", "libcuda.so.1", "nvidia-smi", "run.device: cpu"):
        assert words in said
    loaded = "".join(path.read_text() for path in tmp_path.glob("loader.*"))
    begun = [line for line in loaded.splitlines() if "calling init:" in line]
    for library in (str(PLUGIN), "libtorch_cuda.so", "libnccl.so.2"):
        assert any(line.endswith(library) for line in begun), f"{library} was not opened"


@is_built
@without_driver
def test_a_supervised_run_that_asks_the_built_plugin_for_a_gpu_ends_at_once_and_is_not_started_again(tmp_path):
    config = write_config(tmp_path / "config.yaml", configuration("mlp", run={"device": "cuda"}))
    run = Run(tmp_path / "run").supervised(config, ranks=2, check=False)
    assert run.code == 78 and "no driver" in run.output and run.seconds < TO_REFUSE
    assert len(run.journal("attempt_started")) == 1


def test_without_the_plugin_the_message_names_its_file(tmp_path):
    config = write_config(tmp_path / "config.yaml", configuration("mlp", run={"device": "cuda"}))
    said = refused(tmp_path / "run", config, HOLDFAST_CUDA_PLUGIN="/not/there/libholdfast_cuda.so")
    assert "/not/there/libholdfast_cuda.so" in said and "no CUDA part" in said and "docs/gpus.md" in said


@without_driver
def test_auto_trains_on_the_cpu_and_says_so_in_one_line(tmp_path):
    config = write_config(tmp_path / "config.yaml", configuration("mlp", max_steps=3))
    run = Run(tmp_path / "run").plain(config, ranks=2)
    told = [line for line in run.output.splitlines() if "computes on" in line]
    assert len(told) == 1 and "computes on the CPU: no NVIDIA driver" in told[0], run.output
    assert json.loads((run.checkpoint() / "manifest.json").read_text())["environment"]["device"] == "cpu"


def test_a_configuration_for_gpus_is_checked_where_there_is_none(tmp_path):
    config = write_config(tmp_path / "config.yaml", configuration("mlp", run={"device": "cuda"}, cuda={"tf32": True}))
    for what in ("--check", "--describe"):
        done = subprocess.run([BIN / "holdfast-train", config, what], capture_output=True, text=True, timeout=60, env=environment())
        assert done.returncode == 0, done.stderr
