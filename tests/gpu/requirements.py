"""What scripts/gpu_check.sh needs of a host, and whether it is there. Standard library only."""
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys

PROGRAMS = ("cmake", "ninja", "g++", "mpirun")
HEADERS = ("cuda_runtime_api.h", "nccl.h")
TOOLKIT = "/usr/local/cuda"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "holdfast"


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
    for python in (sys.executable, str(CACHE / "peer-venv/bin/python")):
        if not os.path.exists(python):
            continue
        done = subprocess.run([python, "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"])
        if done.returncode == 0:
            return python
    return None


def torch_root():
    """Where LibTorch's headers and libraries are; None. HOLDFAST_TORCH stands for itself alone, as in scripts/setup.sh."""
    if os.environ.get("HOLDFAST_TORCH"):
        places = [pathlib.Path(os.environ["HOLDFAST_TORCH"])]
    else:
        places = [CACHE / "torch-2.11.0-cpu"]  # of scripts/setup.sh; it may lack the CUDA libraries
        if python := torch_python():
            found = subprocess.run([python, "-c", "import importlib.util; print(importlib.util.find_spec('torch').submodule_search_locations[0])"],
                                   capture_output=True, text=True)
            places = [pathlib.Path(found.stdout.strip()), *places] if found.returncode == 0 else places
    roots = [folder for place in places for folder in (place, place / "torch")
             if (folder / "lib/libtorch_cuda.so").exists() and version_of(folder).startswith("2.11.")]
    return min(roots, key=lambda root: len(absent_headers(root)), default=None)  # the first of several


def absent_headers(root):
    """Those that cmake/HoldfastCuda.cmake will not find: beside LibTorch, or in a toolkit."""
    toolkits = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), TOOLKIT]
    folders = [*(root.parent / "nvidia").glob("*/include"), *(pathlib.Path(toolkit) / "include" for toolkit in toolkits if toolkit)]
    return [header for header in HEADERS if not any((folder / header).exists() for folder in folders)]


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
    root = torch_root()
    if root is None:
        given = os.environ.get("HOLDFAST_TORCH")
        lacks.append("LibTorch 2.11 with its CUDA part " + (f"in HOLDFAST_TORCH={given}" if given else
                                                            "(HOLDFAST_TORCH=/path/to/torch, or a Python with torch 2.11)"))
    else:
        lacks += [f"the header {header} beside {root}, in CUDA_HOME or in {TOOLKIT}" for header in absent_headers(root)]
    if device == "cuda":
        _, why = gpus()
        lacks += [why] if why else []
    return lacks
