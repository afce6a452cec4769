"""The core of the fault tests once more under Open MPI 5, in the place of the system's: the same programs, as both offer the same
interface to binaries."""
import os
import pathlib
import subprocess
import sys

import pytest
import runs

HERE = pathlib.Path(__file__).parent
OPEN_MPI_5 = pathlib.Path(os.environ["HOLDFAST_OPEN_MPI_5"])  # scripts/test.sh brings it there


@pytest.fixture()
def under_open_mpi_5(monkeypatch):
    if not (OPEN_MPI_5 / "bin/mpirun").exists():
        pytest.skip(f"no Open MPI 5 in {OPEN_MPI_5}: bash scripts/test.sh -L long brings it")
    monkeypatch.setenv("PATH", f"{OPEN_MPI_5}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{OPEN_MPI_5}/lib")
    monkeypatch.setenv("OMPI_MCA_pml", "ob1")  # as 4 does on one host; UCX would want cores of its own


def test_a_run_that_says_so_is_killed_and_ends_with_the_same_bits(tmp_path, under_open_mpi_5):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp"))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    run = runs.Run(tmp_path / "run").supervised(config, injections=["kill:rank=1,step=20,section=backward"])
    runs.assert_landed(run, ["kill:rank=1,step=20,section=backward"])
    runs.assert_same_runs(run, undisturbed)
    assert "Open MPI v5." in (run.checkpoint() / "manifest.json").read_text()


@pytest.mark.parametrize("file, selected", [("bit_identity_test.py", "mlp or stranger"), ("supervisor_test.py", ""), ("resume_test.py", "")])
def test_the_core_set_passes(tmp_path, under_open_mpi_5, file, selected):
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", tmp_path / "core", HERE / file, "-k", selected],
                          capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout, done.stdout
