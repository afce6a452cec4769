"""What scripts/gpu_check.sh needs of a host, and whether it is there. Standard library only."""
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys

PROGRAMS = ("cmake", "ninja", "g++", "mpirun")


def gpus():
    """(names of the GPUs, why there is none)"""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return [], f"an NVIDIA driver ({error})"
    count = ctypes.c_int(0)
    result = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if result or count.value == 0:
        return [], f"a GPU that the driver can use (cuInit gives {result}, {count.value} devices)"
    names = []
    for number in range(count.value):
        name = ctypes.create_string_buffer(256)
        driver.cuDeviceGetName(name, 256, number)
        names.append(name.value.decode())
    return names, None


def torch_python():
    """A Python that imports torch, for the peers; None."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "holdfast"
    for python in (sys.executable, str(cache / "peer-venv/bin/python")):
        if not os.path.exists(python):
            continue
        done = subprocess.run([python, "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"])
        if done.returncode == 0:
            return python
    return None


def torch_root():
    """Where LibTorch's headers and libraries are; None."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "holdfast"
    candidates = [pathlib.Path(os.environ["HOLDFAST_TORCH"])] if os.environ.get("HOLDFAST_TORCH") else []
    python = torch_python()
    if python:
        found = subprocess.run([python, "-c", "import importlib.util; print(importlib.util.find_spec('torch').submodule_search_locations[0])"],
                               capture_output=True, text=True)
        candidates += [pathlib.Path(found.stdout.strip())] if found.returncode == 0 else []
    own = cache / "torch-2.11.0-cpu"  # of scripts/setup.sh; it may lack the CUDA libraries
    for root in [*candidates[:bool(os.environ.get("HOLDFAST_TORCH"))], *([own] if (own / "nvidia/nccl").exists() else []), *candidates]:
        for folder in (root, root / "torch"):
            if (folder / "lib/libtorch_cuda.so").exists() and version_of(folder).startswith("2.11."):
                return folder
    return None


def version_of(root):
    header = root / "include/torch/version.h"
    numbers = root / "include/torch/headeronly/version.h"
    for path in (numbers, header):
        if path.exists():
            parts = dict(line.split()[1:3] for line in path.read_text().splitlines() if line.startswith("#define TORCH_VERSION_M") or
                         line.startswith("#define TORCH_VERSION_PATCH"))
            if len(parts) >= 3:
                return ".".join(parts[f"TORCH_VERSION_{part}"] for part in ("MAJOR", "MINOR", "PATCH"))
    return "unknown"


def missing(device):
    """One line for each thing that this host lacks."""
    lacks = [f"the program {program}" for program in PROGRAMS if not shutil.which(program)]
    if torch_root() is None:
        lacks.append("LibTorch 2.11 with its CUDA part (HOLDFAST_TORCH=/path/to/torch, or a Python with torch 2.11)")
    if device == "cuda":
        _, why = gpus()
        lacks += [why] if why else []
    return lacks
