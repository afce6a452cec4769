"""`holdfast ckpt export` of a real run: NumPy and h5py read what was exported, and find the values of the shards."""
import json
import signal
import subprocess
import time

import h5py
import numpy
import pytest
import runs

EXIT_USAGE, EXIT_DATA, EXIT_STORAGE = 64, 65, 74


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("exported")
    config = runs.write_config(directory / "config.yaml", runs.configuration("cnn", max_steps=8))
    return runs.Run(directory / "run").supervised(config)


def export(*words):
    command = [str(word) for word in (runs.BIN / "holdfast", "ckpt", "export", *words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def weights(run):
    return {name.removeprefix("model/"): array for name, array in runs.tensors(run.checkpoint()).items() if name.startswith("model/")}


def assert_same(found, expected):
    assert found.keys() == expected.keys() and expected
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape, name
        assert found[name].tobytes() == array.tobytes(), name


def read_safetensors(path):
    """As https://huggingface.co/docs/safetensors describes it."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header.pop("__metadata__")
    return {name: numpy.frombuffer(data[end:][slice(*entry["data_offsets"])], {"F32": "<f4", "I64": "<i8"}[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()}


def test_safetensors_holds_the_weights(run, tmp_path):
    done = export(run.directory, tmp_path / "weights.safetensors")
    assert done.returncode == 0, done.stderr
    assert f"of {run.checkpoint()}" in done.stdout and f"{len(weights(run))} tensors" in done.stdout
    assert_same(read_safetensors(tmp_path / "weights.safetensors"), weights(run))


def test_one_hdf5_file_holds_everything(run, tmp_path):
    assert export(run.checkpoint(), tmp_path / "all.h5", "--all").returncode == 0
    found = {}
    with h5py.File(tmp_path / "all.h5", "r") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    expected = runs.tensors(run.checkpoint())
    for rank, shard in enumerate(sorted(run.checkpoint().glob("shard-*.h5"))):
        for (file, name), (array, _, _) in runs.datasets(run.checkpoint()).items():
            if file == shard.name and name.startswith("rank/"):
                expected[f"rank-{rank}/{name.removeprefix('rank/')}"] = array
    assert_same({name: numpy.asarray(array) for name, array in found.items()}, {name: numpy.asarray(array) for name, array in expected.items()})


def test_numpy_reads_the_directory(run, tmp_path):
    assert export(run.checkpoint(), f"{tmp_path}/weights/", "--format", "numpy").returncode == 0
    found = {str(path.relative_to(tmp_path / "weights")).removesuffix(".npy"): numpy.load(path) for path in (tmp_path / "weights").rglob("*.npy")}
    assert_same(found, weights(run))


def test_a_killed_export_leaves_nothing_under_its_name_and_the_next_one_succeeds(run, tmp_path):
    output = tmp_path / "weights.h5"
    for delay in (0.0, 0.002, 0.004, 0.008, 0.016):
        process = subprocess.Popen([runs.BIN / "holdfast", "ckpt", "export", run.checkpoint(), output, "--all"], stdout=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        if output.exists():  # it was faster than the kill
            with h5py.File(output, "r") as file:
                assert "model" in file and "optimizers" in file
            output.unlink()
    start = time.monotonic()
    assert export(run.checkpoint(), output).returncode == 0
    assert time.monotonic() - start < 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["weights.h5"]


def test_bad_requests_say_what_is_right(run, tmp_path):
    done = export(run.checkpoint(), tmp_path / "weights.pt")
    assert done.returncode == EXIT_USAGE and "safetensors, hdf5 or numpy" in done.stderr
    done = export(run.checkpoint(), tmp_path / "weights", "--format", "onnx")
    assert done.returncode == EXIT_USAGE and "--format onnx" in done.stderr
    (tmp_path / "taken.h5").write_text("mine")
    done = export(run.checkpoint(), tmp_path / "taken.h5")
    assert done.returncode == EXIT_STORAGE and "a name that is free" in done.stderr and (tmp_path / "taken.h5").read_text() == "mine"
    done = export(run.checkpoint(), tmp_path / "nowhere/weights.h5")
    assert done.returncode == EXIT_STORAGE and "nowhere" in done.stderr
    done = export(tmp_path, tmp_path / "weights.h5")
    assert done.returncode == EXIT_DATA and "checkpoint" in done.stderr
    done = subprocess.run([runs.BIN / "holdfast", "ckpt", "list", run.directory, "--all"], capture_output=True, text=True, timeout=10)
    assert done.returncode == EXIT_USAGE and "--all" in done.stderr
