"""`holdfast new`: a project written by an installed Holdfast builds, trains, is killed and resumes as it is."""
import re
import subprocess

import pytest
import runs


def output_of(command, seconds=240, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, env=runs.environment(), **options)
    return done.returncode, done.stdout + done.stderr


def succeeded(command, **options):
    code, output = output_of(command, **options)
    assert code == 0, output
    return output


def test_a_new_project_of_an_installation_builds_and_its_test_kills_and_resumes(tmp_path):
    prefix, project = tmp_path / "prefix", tmp_path / "tiny_net"
    succeeded(["cmake", "--install", runs.BIN.parent, "--prefix", prefix])
    told = succeeded([prefix / "bin/holdfast", "new", "tiny_net"], cwd=tmp_path)
    commands = [line.strip() for line in told.split("Build and test it:\n")[1].splitlines()]
    assert len(commands) == 2 and f"-DCMAKE_PREFIX_PATH={prefix}" in commands[0]
    succeeded(["bash", "-ec", commands[0]], cwd=tmp_path)
    tested = succeeded(["bash", "-ec", commands[1] + " --verbose"], cwd=tmp_path)
    assert "resumed from" in tested and re.search(r"at step (50|100) of 200", tested) and "every byte read" in tested, tested
    # The same test fails where the two runs differ.
    test = (project / "resume_test.sh").read_text()
    (project / "resume_test.sh").write_text(test.replace("train killed", "train killed --set run.seed=3"))
    code, output = output_of(["ctest", "--test-dir", project / "build", "--output-on-failure"])
    assert code != 0 and "differ" in output, output


def test_nothing_of_the_template_is_left_in_a_project(tmp_path):
    succeeded([runs.BIN / "holdfast", "new", "tiny_net", "--directory", tmp_path / "here"])
    files = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert files == ["CMakeLists.txt", "README.md", "resume_test.sh", "tiny_net.cpp", "tiny_net.yaml"]
    for name in files:
        text = (tmp_path / "here" / name).read_text()
        assert "my_task" not in text and "/path/to" not in text, text
    assert "tiny_net" in (tmp_path / "here/tiny_net.cpp").read_text()
    assert f"{runs.BIN}/holdfast run tiny_net.yaml" in (tmp_path / "here/README.md").read_text()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "tiny_net").mkdir()
    succeeded([runs.BIN / "holdfast", "new", "tiny_net"], cwd=tmp_path)  # an empty directory is as good as none
    (tmp_path / "tiny_net/tiny_net.cpp").write_text("mine")
    code, output = output_of([runs.BIN / "holdfast", "new", "tiny_net"], cwd=tmp_path)
    assert code == 64 and "expected a directory that is empty or not there, found tiny_net" in output, output
    assert (tmp_path / "tiny_net/tiny_net.cpp").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    code, output = output_of([runs.BIN / "holdfast", "new", "tiny_net", "--directory", "file"], cwd=tmp_path)
    assert code == 64 and (tmp_path / "file").read_text() == "mine", output


@pytest.mark.parametrize("name", ["", "My_task", "1st", "a-b", "a/b", "..", "test", "install", "task name"])
def test_a_name_that_cannot_be_one_is_refused(tmp_path, name):
    code, output = output_of([runs.BIN / "holdfast", "new", name], cwd=tmp_path)
    assert code == 64 and "holdfast new" in output and not list(tmp_path.iterdir()), output
