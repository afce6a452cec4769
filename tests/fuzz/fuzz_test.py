"""Runs the libFuzzer targets for some seconds each: a mutated manifest, shard or configuration gives a clear error or a correct load.

HOLDFAST_FUZZ_SECONDS: how long each of them (default 8). What they find goes to build/fuzz/found; the files in
regressions/TARGET/ are tried each time.
"""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUZZ = pathlib.Path(os.environ["HOLDFAST_FUZZ"])
SECONDS = int(os.environ.get("HOLDFAST_FUZZ_SECONDS", "8"))
LIMITS = ["-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=256", "-max_len=20000"]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    directory = tmp_path_factory.mktemp("seeds")
    subprocess.run([FUZZ / "bin/fuzz_seeds", directory], check=True)
    (directory / "yaml").mkdir()
    for path in [*(ROOT / "configs").glob("*.yaml"), *(ROOT / "tests").rglob("*.yaml")]:
        if path.stat().st_size < 5000:
            shutil.copy(path, directory / "yaml" / f"{path.parent.name}-{path.name}")
    return directory


@pytest.mark.parametrize("target", ["manifest", "shard", "yaml"])
def test_whatever_the_bytes_there_is_an_error_or_a_correct_load(target, seeds, tmp_path):
    found = FUZZ / "found" / target
    found.mkdir(parents=True, exist_ok=True)
    (tmp_path / "corpus").mkdir()
    dictionary = [f"-dict={seeds / 'yaml.dict'}"] if target == "yaml" else []
    regressions = ROOT / "tests/fuzz/regressions" / target
    done = subprocess.run([FUZZ / f"bin/fuzz_{target}", tmp_path / "corpus", seeds / target, *[regressions] * regressions.is_dir(),
                           f"-max_total_time={SECONDS}", "-seed=1", f"-artifact_prefix={found}/", *LIMITS, *dictionary],
                          capture_output=True, text=True, errors="replace", env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 0, done.stderr[-6000:]
    print(target, done.stderr.splitlines()[-1])
    assert "Done" in done.stderr.splitlines()[-1]
