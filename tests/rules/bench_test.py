"""The drivers of bench/ and of tests/gpu/ start, and all that one takes from another is there: nothing else runs them in CI."""
import ast
import importlib.util
import pathlib
import subprocess
import sys
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVERS = [*sorted((ROOT / "bench").glob("*.py")), *sorted((ROOT / "tests/gpu").glob("*.py"))]


def loaded(path, folders):
    """The module, and what it has imported; its `main` is not called."""
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.path[:0] = [str(folder) for folder in folders]
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.path[:len(folders)]
    return module


def absent(path, folders):
    """`module.name` of each attribute that is taken from a module and is not in it."""
    module = loaded(path, folders)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = vars(module).get(node.value.id)
            if isinstance(owner, types.ModuleType) and not hasattr(owner, node.attr):
                yield f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("path", DRIVERS, ids=lambda path: path.stem)
def test_a_driver_takes_only_what_is_there(path):
    assert list(absent(path, [ROOT / "bench", ROOT / "tests/gpu"])) == []


@pytest.mark.parametrize("path", [path for path in DRIVERS if path.parent.name == "bench"], ids=lambda path: path.stem)
def test_a_benchmark_says_what_it_takes(path):
    done = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--repeat" in done.stdout, done.stdout + done.stderr


def test_numbers_of_ranks_that_do_not_divide_a_batch_are_refused():
    done = subprocess.run([sys.executable, ROOT / "bench/train.py", "--ranks", "2,3"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "3 does not divide mlp's global batch of 128" in done.stderr, done.stderr


def test_what_is_not_there_is_named(tmp_path):
    (tmp_path / "a_sibling.py").write_text("here = 1\n")
    (tmp_path / "driver.py").write_text("import a_sibling\ndef main():\n    return a_sibling.here + a_sibling.gone\n")
    assert list(absent(tmp_path / "driver.py", [tmp_path])) == ["a_sibling.gone"]
    (tmp_path / "driver.py").write_text("from a_sibling import gone\n")
    with pytest.raises(ImportError, match="gone"):
        loaded(tmp_path / "driver.py", [tmp_path])
