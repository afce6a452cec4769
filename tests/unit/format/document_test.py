"""docs/checkpoint-format.md: its configuration is run, its programs read the checkpoint, and they print what the page shows."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import runs

PAGE = pathlib.Path(__file__).parents[3] / "docs/checkpoint-format.md"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def run_program(text, directory):
    return subprocess.run([sys.executable, "-c", text], cwd=directory, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    directory = tmp_path_factory.mktemp("small")
    config = directory / "small.yaml"
    config.write_text(blocks("yaml")[0])
    return runs.Run(directory / "run").supervised(config).directory / "checkpoints/last"


def test_the_programs_print_what_the_page_shows(checkpoint):
    programs, outputs = blocks("python"), blocks("text")
    assert len(programs) == len(outputs) == 2
    for program, output in zip(programs, outputs):
        done = run_program(program, checkpoint)
        assert done.returncode == 0, done.stderr
        assert done.stdout == output


def test_the_checksums_of_the_page_find_one_flipped_bit(checkpoint, tmp_path):
    damaged = shutil.copytree(checkpoint, tmp_path / "damaged")
    shard = damaged / "shard-00001-of-00002.h5"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    done = run_program(blocks("python")[1], damaged)
    assert done.returncode != 0 and "AssertionError: ('rng/cpu', 0)" in done.stderr


def test_every_key_of_a_manifest_stands_on_the_page(checkpoint):
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    page = PAGE.read_text()
    keys = [*manifest, *manifest["state"], *manifest["environment"], *manifest["tensors"][0], *manifest["shards"][0]]
    keys += ["pieces[]." + key for key in manifest["shards"][0]["pieces"][0]]
    assert [key for key in keys if f"`{key}`" not in page] == []
