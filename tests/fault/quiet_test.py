"""No rank is called slow in 10,000 steps in which none is slowed down."""
import runs


def test_no_rank_is_named_in_ten_thousand_quiet_steps(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=10000, task=runs.SLOW, checkpoints=[{"name": "regular", "every_steps": 2000}]))
    run = runs.Run(tmp_path / "run").supervised(config)
    assert run.done()["global_step"] == 10000
    assert run.journal("straggler") == [] and "is slow" not in run.output
    assert run.seconds < runs.RUN_SECONDS
