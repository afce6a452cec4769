"""The examples, as they are but shorter: each trains, is killed between two checkpoints, and ends with the bits of a run that nobody disturbed."""
import subprocess
import sys

import pytest

import runs

ROOT = runs.BIN.parents[2]
PLUGINS = runs.BIN.parent / "examples"
TEXT = "\n".join(f"{number} bottles of beer on the wall" for number in range(400))
SHORT = ["trainer.max_steps=12", "trainer.log_every_steps=3", "validation.max_batches=2", "data.global_batch_size=10", "checkpoints.0.every_steps=5",
         "saving.asynchronous=false", "trainer.threads_per_rank=1"]
EXAMPLES = {
    "image_classification": ("configs/fashion_cnn.yaml", []),
    "gpt": ("configs/text_gpt.yaml", ["task.options={context: 32, layers: 2, width: 32, heads: 2}", "data.options={file: {data}/text, context: 32, validation_fraction: 0.1}"]),
    "gan": ("examples/gan/gan.yaml", [f"task.plugin={PLUGINS}/libgan.so"]),
    "regression": ("examples/regression/regression.yaml", [f"task.plugin={PLUGINS}/libregression.so", "data.options.file={data}/table.h5"]),
    "fine_tuning": ("examples/fine_tuning/fine_tuning.yaml", []),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """What the examples read beside Debian's packages."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "text").write_text(TEXT)
    subprocess.run([sys.executable, ROOT / "examples/regression/make_data.py", folder / "table.h5"], check=True, timeout=60)
    return folder


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_killed_and_resumes_to_the_same_bits(tmp_path, data, example, ranks):
    config, changes = EXAMPLES[example]
    arguments = [word for text in SHORT + changes for word in ("--set", text.replace("{data}", str(data)))]
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(ROOT / config, ranks=ranks, arguments=arguments)
    kill = f"kill:rank={ranks - 1},step=9"
    run = runs.Run(tmp_path / "run").supervised(ROOT / config, ranks=ranks, arguments=arguments, injections=[kill])
    lost = run.journal("rank_lost")
    assert [line["step"] for line in lost if line["injected"] == kill] == [9], lost
    assert [line["step"] for line in run.journal("resumed") if line["attempt"] == 2] == [5] and run.done()["global_step"] == 12
    runs.assert_same_runs(run, undisturbed)


def test_what_is_frozen_stays_and_what_is_not_learns(tmp_path):
    run = runs.Run(tmp_path / "run").supervised(ROOT / EXAMPLES["fine_tuning"][0], arguments=["--set", "trainer.max_steps=60"])
    first = runs.Run(tmp_path / "first").supervised(ROOT / EXAMPLES["fine_tuning"][0], arguments=["--set", "trainer.max_steps=1"])
    before, after = runs.tensors(first.checkpoint()), runs.tensors(run.checkpoint())
    changed = {name for name in before if name.startswith("model/") and before[name].tobytes() != after[name].tobytes()}
    assert changed == {"model/head.2.weight", "model/head.2.bias"}
    assert run.done()["metrics"]["validation_accuracy"] > 0.6, run.done()
