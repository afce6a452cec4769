"""The documents say what is there: the plugin of docs/your-own-task.md, and the tests that pages and decisions name."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["HOLDFAST_BUILD"])
PLUGIN = ROOT / "templates/task"
NAMING = [ROOT / "docs/guarantees.md", ROOT / "docs/failure-matrix.md", ROOT / "docs/gpus.md", *sorted((ROOT / "docs/adr").glob("*.md"))]


@pytest.mark.parametrize("name", ["my_task.cpp", "CMakeLists.txt", "my_task.yaml", "resume_test.sh"])
def test_your_own_task_shows_the_files_that_are_built(name):
    blocks = re.findall(r"^```\w+\n(.*?)^```$", (ROOT / "docs/your-own-task.md").read_text(), re.MULTILINE | re.DOTALL)
    assert (PLUGIN / name).read_text() in blocks


def test_the_plugin_builds_by_the_commands_of_its_document_and_survives_a_kill(tmp_path):
    for command in (["cmake", "-S", PLUGIN, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={BUILD}"], ["cmake", "--build", tmp_path / "build"]):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "my_task.yaml").write_text((PLUGIN / "my_task.yaml").read_text())
    done = subprocess.run([BUILD / "bin/holdfast", "run", "my_task.yaml", "-n", "2", "--inject", "kill:rank=0,step=120",
                           "--set", "saving.asynchronous=false"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "at step 100 of 200" in done.stdout and "1 restart, 19 steps recomputed" in done.stdout
    done = json.loads((tmp_path / "runs/my_task/DONE.json").read_text())
    assert done["global_step"] == 200 and done["metrics"]["validation_accuracy"] > 0.75


def test_the_short_configuration_of_the_reference_is_complete(tmp_path):
    example = re.search(r"^```yaml\n(.*?)^```$", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE | re.DOTALL).group(1)
    (tmp_path / "example.yaml").write_text(example)
    done = subprocess.run([BUILD / "bin/holdfast", "run", "example.yaml", "-n", "1", "--set", "trainer.max_steps=3"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "finished: step 3" in done.stdout, done.stdout + done.stderr


def shown(document):
    """[(command, what it is said to print)] of the blocks of a page; "…" stands for anything."""
    for block in re.findall(r"^```\n(\$ .*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, text = part.partition("\n")
            yield command, text.strip("\n")


CONFIG_COMMANDS = [pair for pair in shown(ROOT / "README.md") if pair[0].startswith("build/release/bin/holdfast config ")]


@pytest.mark.parametrize("command, text", CONFIG_COMMANDS, ids=[command.split("holdfast ")[1] for command, _ in CONFIG_COMMANDS])
def test_readme_shows_what_is_printed_of_a_configuration(command, text):
    done = subprocess.run([str(BUILD / "bin/holdfast"), *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60)
    pattern = re.escape(text).replace("…", ".*")
    assert re.fullmatch(pattern, (done.stdout + done.stderr).strip("\n").removeprefix("error: "), re.DOTALL), done.stdout + done.stderr


def test_readme_shows_configurations_of_several_kinds():
    assert len(CONFIG_COMMANDS) >= 3


def test_the_page_on_weights_shows_its_configuration():
    assert (ROOT / "configs/weights.yaml").read_text() in re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs/weights.md").read_text(), re.MULTILINE | re.DOTALL)


def test_a_libtorch_of_unknown_version_is_refused_with_a_word(tmp_path):
    (tmp_path / "torch/lib").mkdir(parents=True)
    (tmp_path / "torch/lib/libtorch_cpu.so").write_text("")
    done = subprocess.run(["bash", str(ROOT / "scripts/setup.sh")], capture_output=True, text=True, timeout=120, env={**os.environ, "HOLDFAST_TORCH": str(tmp_path)})
    assert done.returncode == 78 and "found version unknown (no include/torch/headeronly/version.h)" in done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("document", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.stem)
def test_every_configuration_that_is_named_exists(document):
    for name in re.findall(r"configs/\w+\.yaml", document.read_text()):
        assert (ROOT / name).exists(), f"{document.relative_to(ROOT)} names {name}"


LISTINGS = [path for path in sorted((ROOT / "docs").glob("*.md")) if "```cpp" in path.read_text()]


@pytest.mark.parametrize("page", LISTINGS, ids=lambda path: path.stem)
def test_every_listing_in_cpp_is_compiled(page):
    """Each line of it, in its order, is one of the plugin that is built here, or it is the template."""
    built = [line.strip() for line in (ROOT / "tests/documents/listings.cpp").read_text().splitlines()]
    for block in re.findall(r"^```cpp\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        if block == (PLUGIN / "my_task.cpp").read_text():
            continue
        rest = iter(built)
        for line in filter(lambda text: text not in ("", "…"), map(str.strip, block.splitlines())):
            assert line in rest, f"{page.name}: no such line in tests/documents/listings.cpp, or not in this order: {line}"


LISTED = {"regression_of_labels": ({"name": "random", "options": {"shape": [8], "classes": 2, "samples": 64, "validation_samples": 32}}, ["main"]),
          "staged": ({"name": "random", "options": {"shape": [8], "samples": 64, "validation_samples": 32}}, ["main"]),
          "two_players": ({"name": "my_data", "options": {"samples": 64}}, ["discriminator", "generator"])}


@pytest.mark.parametrize("task", LISTED)
def test_the_listings_train_and_survive_a_kill(task, tmp_path):
    plugin = str(BUILD / "tests/libdocument_listings.so")
    data, optimizers = LISTED[task]
    config = {"task": {"name": task, "plugin": plugin}, "data": {**data, "global_batch_size": 16}, "trainer": {"max_steps": 12},
              "optimizers": {name: {"type": "adamw", **({"parameters": [name]} if len(optimizers) > 1 else {})} for name in optimizers},
              "callbacks": {"speed": {"type": "throughput", "plugin": plugin}}, "transforms": {"clamped": {"type": "clamp", "plugin": plugin}},
              "checkpoints": [{"name": "regular", "every_steps": 5, "transforms": ["clamped"]}], "saving": {"asynchronous": False}}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    done = subprocess.run([BUILD / "bin/holdfast", "run", "config.yaml", "-n", "2", "--inject", "kill:rank=1,step=8"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0 and "finished: step 12" in done.stdout and "1 restart" in done.stdout, done.stdout + done.stderr
    assert re.search(r"^\d+ samples/s$", done.stdout, re.MULTILINE)
    assert (tmp_path / "runs/config/checkpoints/last/clamped/manifest.json").exists()
    metrics = json.loads((tmp_path / "runs/config/DONE.json").read_text())["metrics"]
    assert set(metrics) == {"regression_of_labels": {"validation_loss", "validation_recall", "validation_rmse"}, "staged": {"validation_loss"},
                            "two_players": set()}[task]


COMING_FROM = ROOT / "docs/coming-from.md"
TRANSLATED = re.findall(r"^```yaml\n(.*?)^```$", COMING_FROM.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", TRANSLATED, ids=range(len(TRANSLATED)))
def test_a_configuration_for_those_who_come_from_elsewhere_trains_and_survives_a_kill(text, tmp_path):
    (tmp_path / "config.yaml").write_text(text)
    for words in (["config", "check", "config.yaml"], ["config", "plan", "config.yaml"], ["run", "config.yaml", "-n", "2", "--inject", "kill:rank=1,step=9"]):
        done = subprocess.run([BUILD / "bin/holdfast", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "finished: step 12" in done.stdout and "1 restart" in done.stdout
    names = {entry: {path.name for path in (tmp_path / "runs/config/checkpoints" / entry).glob("*")} for entry in ("best", "checkpoint")}
    assert names["checkpoint"] or "last" in names["best"], names
    # Two by their rank or age, and what the restart has gone on from.
    assert len(names["best"] - {"last"}) in (0, 2, 3) and all(re.fullmatch(r"epoch=[0-2]-val_loss=\d+\.\d\d(-v1)?|last", name) for name in names["best"])
    assert len(names["checkpoint"]) in (0, 2, 3) and all(re.fullmatch(r"checkpoint-(4|8|12)", name) for name in names["checkpoint"])


def test_there_is_a_configuration_for_each_place_that_one_comes_from():
    assert len(TRANSLATED) == 2 and len(list(shown(COMING_FROM))) == 2


def test_the_commands_for_those_who_come_from_elsewhere_print_what_the_page_says(tmp_path):
    for command, text in shown(COMING_FROM):
        words = command.replace("build/release/bin/", f"{BUILD}/bin/").replace("configs/", f"{ROOT}/configs/")
        done = subprocess.run(words, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(re.escape(text).replace("…", ".*"), done.stdout, re.DOTALL), done.stdout


def names_of_tests():
    listed = subprocess.run(["ctest", "--test-dir", BUILD, "-N"], capture_output=True, text=True, check=True, timeout=60).stdout
    names = set(re.findall(r"Test\s+#\d+: (\S+)", listed))
    for path in (ROOT / "tests").rglob("*.cpp"):
        names |= {f"{suite}.{name}" for suite, name in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", path.read_text(), re.MULTILINE)}
    for path in (ROOT / "tests").rglob("*_test.py"):
        names |= set(re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))
    return names


def cuda_options():
    section = (ROOT / "docs/configuration.md").read_text().split("## `cuda`")[1].split("\n## ")[0]
    return {f"cuda.{key}" for key in re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)}


@pytest.mark.parametrize("document", NAMING, ids=lambda path: path.stem)
def test_every_test_that_is_named_exists(document):
    known = names_of_tests() | cuda_options()
    for word in re.findall(r"`([^`\n]+)`", document.read_text()):
        if not re.fullmatch(r"test_\w+|(fault|ranks|rules|unit|crash|fuzz|long|documents|mutations|cluster|conformance|cuda)\.[\w*]+|(Of/)?[A-Z]\w+\.(\*|[A-Z]\w+)", word) or word.endswith((".json", ".md")):
            continue
        pattern = re.escape(word).replace(r"\*", r"\S*")
        assert any(re.fullmatch(pattern, name) for name in known), f"{document.relative_to(ROOT)} names {word}, which is no test"


def test_the_documents_name_many_tests():
    assert len(re.findall(r"`(?:test_\w+|fault\.\w+)", (ROOT / "docs/guarantees.md").read_text())) > 30


def test_the_job_script_stops_at_the_time_limit_and_queues_itself_again(tmp_path):
    """Slurm's part is played here: its variables, its signal, and a scontrol that writes down how it was called."""
    scontrol = tmp_path / "bin/scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    scontrol.chmod(0o755)
    variables = {**os.environ, "PATH": f"{scontrol.parent}:{os.environ['PATH']}", "SLURM_NTASKS": "2", "SLURM_JOB_ID": "7", "HOLDFAST": str(BUILD / "bin/holdfast")}
    config = tmp_path / "config.yaml"
    config.write_text("task: {name: mlp, options: {widths: [64, 32, 10]}}\ndata: {name: random, options: {shape: [64]}}\n"
                      "optimizers: {main: {}}\ntrainer: {max_steps: 1000000}\n")
    command = ["bash", str(ROOT / "slurm/holdfast.sbatch"), str(config), "--run-dir", str(tmp_path / "run")]
    with open(tmp_path / "output", "w") as output:
        job = subprocess.Popen(command, stdout=output, stderr=output, env=variables)
    end = time.monotonic() + 30
    while "step 50/" not in (tmp_path / "output").read_text():
        assert job.poll() is None and time.monotonic() < end, (tmp_path / "output").read_text()
        time.sleep(0.05)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(30) == 75
    assert (tmp_path / "calls").read_text() == "requeue 7\n"
    assert list((tmp_path / "run/checkpoints").glob("step-*"))
    again = subprocess.run([*command, "--set", "trainer.max_steps=10"], capture_output=True, text=True, timeout=60, env=variables)
    assert again.returncode == 0 and "the run is finished" in again.stdout, again.stdout + again.stderr
    assert (tmp_path / "calls").read_text() == "requeue 7\n", "a finished run is not queued again"


@pytest.mark.parametrize("script", ["quickstart", "setup"])
def test_a_script_says_what_of_its_arguments_was_wrong(script):
    done = subprocess.run(["bash", ROOT / f"scripts/{script}.sh", "foo", "bar"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 64 and done.stderr == f"{script}: it takes no arguments, found: foo bar\n", done.stderr
    assert f"bash scripts/{script}.sh" in done.stdout
