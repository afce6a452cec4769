"""The same global batches at 1, 2 and 3 ranks give the same training, up to the rounding of sums in another order."""
import numpy
import pytest
import runs

COMPARABLE = {
    "mlp": {},
    "cnn": {"task": {"options": {"dropout": [0.0, 0.0]}}},
    # The gradient of a key's bias is zero but for rounding (softmax does not see it); Adam would make it as large as any other.
    "gpt": {"optimizers": {"main": {"type": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.1, "schedule": "decay"}}},
}


@pytest.mark.parametrize("task", runs.TASKS)
def test_two_and_three_ranks_train_what_one_trains(tmp_path, task):
    # 128 samples on 3 ranks are 43, 43 and 42; the last batch of an epoch has 2 samples, so that a third rank has none.
    config = runs.configuration(task, max_steps=9, trainer={"accumulate_batches": 1, "log_every_steps": 1}, validation={"every_epochs": 1, "batch_size": 16},
                                data={"global_batch_size": 128, "options": {"samples": 258}})
    if task == "gpt":
        del config["optimizers"]
    config = runs.merged(config, COMPARABLE[task])
    config = runs.write_config(tmp_path / "config.yaml", config)
    alone = runs.Run(tmp_path / "1").supervised(config, ranks=1)
    expected = runs.tensors(alone.checkpoint())
    for size in (2, 3):
        run = runs.Run(tmp_path / str(size)).supervised(config, ranks=size)
        assert run.done()["samples_seen"] == alone.done()["samples_seen"] == 3 * 258
        found = runs.tensors(run.checkpoint())
        assert found.keys() == expected.keys()
        for name, array in found.items():
            numpy.testing.assert_allclose(array, expected[name], rtol=1e-3, atol=2e-5, err_msg=f"{name} on {size} ranks")
        for ours, others in zip(run.metrics(), alone.metrics(), strict=True):
            assert ours["step"] == others["step"] and ours["kind"] == others["kind"]
            assert ours["loss"] == pytest.approx(others["loss"], rel=1e-4)
            if ours["kind"] == "validation":
                assert ours["accuracy"] == pytest.approx(others["accuracy"], abs=1 / 40 + 1e-9)
