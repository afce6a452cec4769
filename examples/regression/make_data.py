"""Writes table.h5 beside this file, or to the path given: 4096 rows of 8 inputs, and a smooth function of them with a little noise.

    python3 make_data.py [PATH]        # needs numpy and h5py
"""
import pathlib
import sys

import h5py
import numpy


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent / "table.h5"
    random = numpy.random.default_rng(1)
    inputs = random.normal(size=(4096, 8)).astype("float32")
    noise = random.normal(scale=0.05, size=(4096, 1))
    targets = numpy.sin(inputs[:, :1]) + inputs[:, 1:2] * inputs[:, 2:3] + noise
    with h5py.File(path, "w") as file:
        file["inputs"] = inputs
        file["targets"] = targets.astype("float32")


if __name__ == "__main__":
    main()
