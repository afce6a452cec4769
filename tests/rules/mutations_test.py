"""The list of mutations speaks of the code as it is: a line that moved would else be missed by nobody until the long tests run."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/mutations"))
import mutate  # noqa: E402


def test_every_line_that_is_taken_away_is_there_once():
    mutations = mutate.read_mutations()
    assert len(mutations) >= 60
    assert list(mutate.misfits(mutations)) == []


def test_what_is_built_is_copied():
    built = re.findall(r"add_subdirectory\((\w+)", (ROOT / "CMakeLists.txt").read_text())
    assert "trainer" in built and set(built) <= set(mutate.FOLDERS)


def test_a_line_that_is_gone_or_there_twice_is_named(tmp_path):
    (tmp_path / "code.cpp").write_text("sync();\nsync();\n")
    mutations = [{"guarantee": "on the disk", "edits": [{"file": "code.cpp", "find": find, "replace": ""}]} for find in ("sync()", "flush()")]
    twice, gone = mutate.misfits(mutations, tmp_path)
    assert "code.cpp has 'sync()' 2 times" in twice and "code.cpp has 'flush()' 0 times" in gone


def test_a_line_that_an_edit_before_has_taken_away_is_named(tmp_path):
    (tmp_path / "code.cpp").write_text("write();\nsync();\n")
    edits = [{"file": "code.cpp", "find": find, "replace": ""} for find in ("write();\nsync();", "sync();")]
    (gone,) = mutate.misfits([{"guarantee": "on the disk", "edits": edits}], tmp_path)
    assert "code.cpp has 'sync();' 0 times" in gone
