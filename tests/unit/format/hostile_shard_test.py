"""A shard that somebody else has put together to lead its reader elsewhere: links into other files, data stored in other files, filters that
a plugin would have to run. It is refused; and where the manifest was made to fit it, what is read are the bytes at the manifest's places:
the HDF5 of a shard is never asked."""
import ctypes
import json
import subprocess

import h5py
import numpy
import pytest
import runs

EXIT_DATA = 65
SECRET = b"a secret that lies outside of every checkpoint"
MIB = 1 << 20
SIZES = {"uint8": 1, "int64": 8, "float32": 4}


class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def digest(data):
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_128bits.restype = Hash128
    library.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    value = library.XXH3_128bits(bytes(data), len(data))
    return f"{value.high:016x}{value.low:016x}"


@pytest.fixture()
def run(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=4))
    return runs.Run(tmp_path / "run").supervised(config)


def write_hostile(path, size, outside):
    (outside / "secret").write_bytes(SECRET)
    with h5py.File(outside / "other.h5", "w") as other:
        other["secret"] = numpy.frombuffer(SECRET, "u1")
    path.unlink()
    with h5py.File(path, "w") as file:
        file["model/0.weight"] = h5py.ExternalLink(str(outside / "other.h5"), "/secret")
        file["model/0.bias"] = h5py.SoftLink("/model/2.bias")
        file.create_dataset("model/2.bias", (len(SECRET),), "u1", external=[(str(outside / "secret"), 0, len(SECRET))])
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((100,))
        properties.set_filter(40000, h5py.h5z.FLAG_OPTIONAL, (1,))  # of nobody: a reader would look for a plugin
        h5py.h5d.create(file["model"].id, b"filtered", h5py.h5t.STD_U8LE, h5py.h5s.create_simple((100,)), properties)
    with open(path, "ab") as file:
        file.write(bytes(max(0, size - path.stat().st_size)))
    with h5py.File(path, "r") as file:
        assert bytes(file["model/0.weight"][()]) == SECRET == bytes(file["model/2.bias"][()]), "h5py is led there"


def fit_manifest(checkpoint, shard):
    """The manifest says of the shard what is true of it."""
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    dtypes = {tensor["name"]: tensor["dtype"] for tensor in manifest["tensors"]}
    data = (checkpoint / shard).read_bytes()
    record = next(record for record in manifest["shards"] if record["file"] == shard)
    record["bytes"], record["head"] = len(data), digest(data[:record["head_bytes"]])
    for piece in record["pieces"]:
        begin = piece["file_offset"]
        end = begin + piece["count"] * SIZES[dtypes[piece["tensor"]]]
        piece["blocks"] = "".join(digest(data[at:min(at + MIB, end)]) for at in range(begin, end, MIB))
    checksum = manifest.pop("checksum")
    manifest["checksum"] = "0" * len(checksum)
    text = json.dumps(manifest, indent=2) + "\n"
    (checkpoint / "manifest.json").write_text(text.replace('"checksum": "' + "0" * 32, '"checksum": "' + digest(text.encode())))


def holdfast(*words, traced=None):
    tracer = ["strace", "-f", "-o", str(traced), "-e", "trace=openat,execve"] if traced else []
    return subprocess.run([*tracer, str(runs.BIN / "holdfast"), *map(str, words)], capture_output=True, text=True, timeout=60)


def test_a_hostile_shard_is_refused_or_leads_nowhere(run, tmp_path):
    checkpoint = run.checkpoint()
    shard = checkpoint / "shard-00000-of-00002.h5"
    outside = tmp_path / "outside"
    outside.mkdir()
    write_hostile(shard, shard.stat().st_size, outside)
    refused = holdfast("ckpt", "verify", checkpoint)
    assert refused.returncode == EXIT_DATA and shard.name in refused.stdout + refused.stderr
    assert holdfast("ckpt", "export", checkpoint, tmp_path / "no.h5").returncode == EXIT_DATA

    fit_manifest(checkpoint, shard.name)
    assert holdfast("ckpt", "verify", checkpoint, traced=tmp_path / "verify.trace").returncode == 0
    exported = holdfast("ckpt", "export", checkpoint, tmp_path / "all.h5", "--all", traced=tmp_path / "export.trace")
    assert exported.returncode == 0, exported.stderr
    assert SECRET not in (tmp_path / "all.h5").read_bytes()
    for trace in ("verify.trace", "export.trace"):
        text = (tmp_path / trace).read_text()
        assert shard.name in text, "the trace shows the reads"
        assert str(outside) not in text and "plugin" not in text and text.count("execve(") == 1, text


def test_a_shard_or_manifest_that_is_a_link_out_of_the_checkpoint_is_refused(run, tmp_path):
    checkpoint = run.checkpoint()
    for name in ("shard-00000-of-00002.h5", "manifest.json"):
        (checkpoint / name).rename(tmp_path / name)
        (checkpoint / name).symlink_to(tmp_path / name)
        refused = holdfast("ckpt", "verify", checkpoint)
        assert refused.returncode == EXIT_DATA and name in refused.stdout + refused.stderr, name
        (checkpoint / name).unlink()
        (tmp_path / name).rename(checkpoint / name)
    assert holdfast("ckpt", "verify", checkpoint).returncode == 0
