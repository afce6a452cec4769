"""A flipped bit in one rank's memory is noticed by the next save, named, and gone from the result."""
import pytest
import runs

SECONDS_A_RESTART = 6
EXIT_DATA, EXIT_SOFTWARE = 65, 70
FLIP = "flip:rank=1,step=10"


@pytest.mark.parametrize("asynchronous", ["false", "true"])
def test_a_flipped_bit_restarts_the_run_from_the_checkpoint_before_it(tmp_path, asynchronous):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp"))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    run = runs.Run(tmp_path / "run").supervised(config, injections=[FLIP], arguments=["--set", f"saving.asynchronous={asynchronous}"])
    lost = run.journal("rank_lost")
    assert lost and lost[0]["exit_code"] == EXIT_SOFTWARE
    assert "silent data corruption" in lost[0]["error"] and "model/" in lost[0]["error"] and "block 0" in lost[0]["error"]
    assert "one of 2 is wrong" in lost[0]["error"]
    # Saved at 7, flipped at 10: what the save of 14 finds never becomes a checkpoint.
    ended = run.journal("attempt_ended")[0]
    assert ended["durable_step"] == 7 and ended["recomputed_steps"] >= 7
    assert len(run.journal("restart")) == 1
    runs.assert_same_runs(run, undisturbed)
    assert run.seconds < undisturbed.seconds + SECONDS_A_RESTART


def test_a_flipped_bit_ends_the_run_where_that_is_asked_for(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", saving={"on_corruption": "stop"}))
    run = runs.Run(tmp_path / "run").supervised(config, injections=[FLIP], check=False)
    assert run.code == EXIT_DATA, run.output
    assert "silent data corruption" in run.output and not run.journal("restart")
    assert run.seconds < 20
