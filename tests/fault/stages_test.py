"""A model in stages and the same model in one piece train to the same bits, and one continues what the other has begun."""
import runs
from plugin_test import plugin_configuration

OPTIMIZERS = {"main": {"type": "adamw", "lr": 1e-3}}


def test_three_stages_and_none_give_the_same_bits_with_a_kill_in_between(tmp_path):
    configs = {name: runs.write_config(tmp_path / f"{name}.yaml", plugin_configuration(name, OPTIMIZERS, max_steps=30)) for name in ("in_stages", "in_one_piece")}
    whole = runs.Run(tmp_path / "whole").supervised(configs["in_one_piece"])
    injections = ["kill:rank=1,step=9,section=backward", "kill:rank=0,step=20"]
    staged = runs.Run(tmp_path / "staged").supervised(configs["in_stages"], injections=injections)
    runs.assert_landed(staged, injections)
    found, expected = runs.tensors(staged.checkpoint()), runs.tensors(whole.checkpoint())
    assert found.keys() == expected.keys() and all(found[name].tobytes() == expected[name].tobytes() for name in found)
    assert staged.metrics() == whole.metrics() and staged.done()["parameter_hash"] == whole.done()["parameter_hash"]
