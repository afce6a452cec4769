"""The tree keeps the include rules, and the checker sees each way of breaking them."""
import pathlib

import pytest

import includes

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_tree_keeps_the_rules():
    assert includes.offences(ROOT) == []


def test_the_checker_reads_the_sources_of_every_part():
    seen = {includes.folder_of(path.relative_to(ROOT)) for path in includes.sources(ROOT)}
    assert seen == set(includes.BELOW)


def test_the_picture_has_no_circle():
    done = set()
    while len(done) < len(includes.BELOW):
        ready = {folder for folder, below in includes.BELOW.items() if folder not in done and done.issuperset(below)}
        assert ready, f"a circle among {set(includes.BELOW) - done}"
        done |= ready


def tree(root, file, *lines):
    """A tree of two headers and one offending source."""
    for name in ("base/error.h", "launch/shim/shim.h", "trainer/trainer.h", "checkpoint/store/commit.h", "tasks/gpt.h", file):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("#pragma once\n")
    (root / file).write_text("\n".join(lines) + "\n")
    return includes.offences(root)


@pytest.mark.parametrize("file, include, complaint", [
    ("base/log.cpp", '"launch/shim/shim.h"', "base includes launch/shim/shim.h, but may include nothing only"),
    ("options/read.cpp", '"trainer/trainer.h"', "options includes trainer/trainer.h"),
    ("dist/vote.cpp", '"checkpoint/store/commit.h"', "dist includes checkpoint/store/commit.h"),
    ("checkpoint/format/shard.cpp", '"checkpoint/store/commit.h"', "checkpoint/format includes checkpoint/store/commit.h"),
    ("launch/attempt/launcher.cpp", '"trainer/trainer.h"', "launch includes trainer/trainer.h"),
    ("trainer/step.cpp", '"tasks/gpt.h"', "trainer includes tasks/gpt.h"),
    ("data/text.cpp", '"tasks/gpt.h"', "data includes tasks/gpt.h"),
    ("apps/commands/run.cpp", '"trainer/trainer.h"', "apps/commands includes trainer/trainer.h"),
    ("apps/holdfast.cpp", '<trainer/trainer.h>', "apps/commands includes trainer/trainer.h"),
    ("apps/train/training.cpp", '"launch/shim/shim.h"', "apps/train includes launch/shim/shim.h"),
    ("trainer/step.cpp", "<mpi.h>", "MPI is known to dist only"),
    ("launch/attempt/launcher.cpp", "<mpi-ext.h>", "MPI is known to dist only"),
    ("checkpoint/store/commit.cpp", "<hdf5.h>", "HDF5 is known to checkpoint/format, data only"),
    ("trainer/step.cpp", "<H5Fpublic.h>", "HDF5 is known to checkpoint/format, data only"),
    ("checkpoint/store/commit.cpp", "<torch/torch.h>", "LibTorch is known to trainer, cuda, tasks, data, apps/train only"),
    ("base/log.cpp", "<ATen/core/Tensor.h>", "LibTorch is known to"),
    ("dist/vote.cpp", "<c10/util/Exception.h>", "LibTorch is known to"),
    ("trainer/step.cpp", "<nccl.h>", "CUDA and NCCL is known to cuda only"),
    ("trainer/step.cpp", "<cuda_runtime_api.h>", "CUDA and NCCL is known to cuda only"),
    ("apps/train/training.cpp", "<c10/cuda/CUDAStream.h>", "CUDA and NCCL is known to cuda only"),
    ("apps/train/training.cpp", '"cuda/nccl_connection.h"', "apps/train includes cuda/nccl_connection.h"),
    ("base/log.cpp", '"error.h"', "by its path from the root"),
    ("base/log.cpp", '"base/errors.h"', "base/errors.h is not there"),
])
def test_it_names_the_file_the_line_and_the_rule(tmp_path, file, include, complaint):
    found = tree(tmp_path, file, "// a comment", f"#  include {include}  // of no consequence")
    assert len(found) == 1 and found[0].startswith(f"{file}:2: ") and complaint in found[0], found


def test_what_is_allowed_is_not_complained_about(tmp_path):
    assert tree(tmp_path, "trainer/step.cpp", "#include <torch/torch.h>", "#include <vector>", '#include "base/error.h"',
                '#include "checkpoint/store/commit.h"', '// #include "tasks/gpt.h"') == []


def test_a_folder_that_no_rule_names_is_an_offence(tmp_path):
    assert "belongs to no part" in tree(tmp_path, "checkpoint/mirror/copy.cpp")[0]
