"""What the two programs load: `holdfast` neither MPI nor LibTorch, so that it starts in milliseconds and on any host."""
import os
import re
import subprocess

HEAVY = re.compile(r"^\s*(libmpi|libopen-rte|libopen-pal|libpmix|libtorch|libc10|libholdfast_(?:dist|engine|trainer|tasks|data)\b)\S*", re.MULTILINE)


def heavy_libraries(program):
    """Those that ldd names; it follows the libraries of libraries."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True, timeout=60)
    assert "not found" not in listed.stdout, listed.stdout
    return {match.group(1) for match in HEAVY.finditer(listed.stdout)}


def test_holdfast_loads_neither_mpi_nor_libtorch():
    assert heavy_libraries(os.environ["HOLDFAST_PROGRAM"]) == set()


def test_the_program_of_a_rank_loads_both():
    """The same question, where the answer has to be yes: the one above is no accident of ldd's output."""
    assert {"libmpi", "libtorch", "libc10", "libholdfast_trainer"} <= heavy_libraries(os.environ["HOLDFAST_TRAIN_PROGRAM"])


def test_holdfast_answers_without_the_libraries_of_a_rank():
    """Nothing is opened later either: the loader's own record of a whole call."""
    shown = subprocess.run([os.environ["HOLDFAST_PROGRAM"], "config", "reference"], capture_output=True, text=True, check=True, timeout=60,
                           env={**os.environ, "LD_DEBUG": "files"})
    opened = set(re.findall(r"calling init: \S*/([^/\s]+)", shown.stderr))
    assert any(name.startswith("libholdfast_launch") for name in opened), "the loader's record has another form than expected"
    assert not [name for name in opened if HEAVY.match(name)]
