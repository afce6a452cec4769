"""What is saved, named and kept when ranks die on the way: the same as when nobody disturbs the run."""
import json

import runs

POLICY = [{"name": "best", "after_validation": True, "monitor": "val_loss", "top_k": 2, "filename": "{epoch}-{val_loss:.6f}", "save_last": True},
          {"name": "worst", "every_epochs": 2, "monitor": "val_loss", "mode": "max", "top_k": 1, "filename": "worst"},
          {"name": "newest", "every_steps": runs.INTERVAL, "limit": 2, "filename": "{step:04d}"},
          {"name": "quarters", "every_steps": 0.25, "limit": -1}]


def policy_of(run):
    """What the newest manifest says of the policy, without clocks and without what the last attempt went on from."""
    retention = json.loads((run.checkpoint() / "manifest.json").read_text())["retention"]
    entries = {entry["entry"]: [(named["name"], named["state"], named["slot"], named["score"]) for named in entry["names"] if named["slot"] != "resumed"]
               for entry in retention["entries"]}
    return entries, {entry["entry"]: entry["is_waiting"] for entry in retention["entries"]}


def names_of(run):
    checkpoints = run.directory / "checkpoints"
    return {str(path.relative_to(checkpoints)): path.readlink() for path in checkpoints.rglob("*") if path.is_symlink()}


def test_kills_on_the_way_change_no_name_and_no_score(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", validation={"every_epochs": 1}, checkpoints=POLICY))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    injections = ["kill:rank=1,step=6", "kill:rank=0,step=12,section=commit", "kill:rank=1,step=23", "kill:rank=0,step=32,section=checkpoint",
                  "kill:rank=1,step=40,section=validation", "kill:rank=0,step=55,section=backward"]
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections)
    runs.assert_landed(run, injections)
    runs.assert_same_runs(run, undisturbed)
    assert policy_of(run) == policy_of(undisturbed)
    ours, theirs = names_of(run), names_of(undisturbed)
    for name, target in theirs.items():
        assert ours[name] == target, name
    kept = set(ours) - set(theirs)  # by what the last attempt went on from
    resumed = f"step-{run.journal('resumed')[-1]['step']:08d}"
    assert all(resumed in str(ours[name]) for name in kept), kept
    assert run.seconds < undisturbed.seconds + 6 * len(injections)


def test_a_stop_request_where_a_validation_is_due_leaves_the_ranking_as_it_would_have_been(tmp_path):
    """The stop comes first; the validation is made up for by the next start, and ranks the state that is on disk by then."""
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=24, validation={"every_epochs": 1}, checkpoints=POLICY))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    run = runs.Run(tmp_path / "run")
    run.supervised(config, injections=["stop:rank=0,step=7"])  # the vote of step 8 tells the others
    assert "rank 0 was asked to (a signal asked for it), the supervisor was not\nattempt 2 starts\n" in run.output, run.output
    assert [line["step"] for line in run.journal("resumed")][1:] == [8]
    assert (run.directory / "checkpoints/best/signal-epoch=1-step=8").exists()
    runs.assert_same_runs(run, undisturbed)
    ours, theirs = policy_of(run)[0], policy_of(undisturbed)[0]
    for entry, names in theirs.items():
        assert [named for named in ours[entry] if named[2] != "signal"] == names


def test_what_fails_in_a_step_leaves_the_state_before_it(tmp_path):
    policy = [{"name": "regular", "every_steps": 20, "on_exception": True}]
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("cnn", max_steps=30, checkpoints=policy))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    injections = ["throw:rank=1,step=9,section=backward", "throw:rank=0,step=14,section=forward"]
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections)
    runs.assert_same_runs(run, undisturbed)
    assert [line["step"] for line in run.journal("resumed")][1:] == [8, 13]
    assert sum(line["recomputed_steps"] for line in run.journal("attempt_ended")) == 0
    names = sorted(path.name for path in (run.directory / "checkpoints/regular").iterdir())
    assert names == ["epoch=4-step=20", "epoch=7-step=30", "exception-epoch=3-step=13"]
    saved = json.loads((run.directory / "checkpoints/regular/exception-epoch=3-step=13/manifest.json").read_text())
    assert (saved["role"], saved["is_resumable"]) == ("emergency", True)
