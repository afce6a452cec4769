"""Random faults of every kind, injected by a process that is none of the run's own, and what the run calls them."""
import json
import re
import subprocess

import runs

KINDS = 19


def steps_of(config, tmp_path, seconds):
    """So many that the training lasts about so long on this machine, whatever else it does."""
    trial = runs.Run(tmp_path / "trial").supervised(runs.write_config(tmp_path / "trial.yaml", {**config, "trainer": {"max_steps": 4000}}))
    begun = trial.journal("resumed")[0]["unix_seconds"]
    return int(4000 / (trial.journal("attempt_ended")[0]["unix_seconds"] - begun) * seconds)


def check_chaos(tmp_path, faults, seconds, limit, seed):
    options = {
        "task": {"name": "mlp"}, "data": {"name": "random", "options": {"shape": [784], "samples": 1000, "validation_samples": 300}, "global_batch_size": 128},
        "optimizers": {"main": {"type": "adamw", "lr": 1e-3}}, "trainer": {"log_every_steps": 500},
        "validation": {"every_steps": 2000}, "checkpoints": [{"name": "regular", "every_steps": 500, "limit": 3}],
        "restart": {"hang_step_seconds": 3}}
    options["trainer"]["max_steps"] = steps_of(options, tmp_path, seconds)
    config = runs.write_config(tmp_path / "config.yaml", options)
    command = [runs.BIN / "holdfast", "chaos", config, "-n", "2", "--seed", str(seed), "--most", str(faults), "--rate", "7200", "--minutes", "60",
               "--run-dir", tmp_path / "chaos"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=limit, env=runs.environment())
    print(done.stdout)
    injected = [json.loads(line) for line in (tmp_path / "chaos/chaos.jsonl").read_text().splitlines()]
    assert len(injected) == faults, "the run has ended before all faults struck\n" + done.stdout
    wrong = [line for line in injected if not line["is_right"]]
    assert len(wrong) <= faults // 100 and not any(line["orphans"] for line in injected), json.dumps(wrong)
    assert re.search(r"\nEQUAL: parameter hash ", done.stdout), done.stdout + done.stderr
    assert done.returncode == (1 if wrong else 0), done.stdout + done.stderr
    # The same again, by those who know nothing of chaos.
    disturbed, undisturbed = runs.Run(tmp_path / "chaos/disturbed"), runs.Run(tmp_path / "chaos/undisturbed")
    runs.assert_same_bits(disturbed.checkpoint(), undisturbed.checkpoint())
    assert disturbed.metrics() == undisturbed.metrics()
    assert not disturbed.processes()
    # Each fault that ends an attempt has ended one.
    harmless = {"kill_guardian", "stop_mpirun", "standstill", "stranger"}
    ends = sum(line["fault"] not in harmless for line in injected)
    assert len(disturbed.journal("attempt_started")) == 1 + ends
    return {line["fault"] for line in injected}


def test_twenty_random_faults_are_called_by_their_names_and_change_no_bit(tmp_path):
    assert len(check_chaos(tmp_path, faults=20, seconds=40, limit=280, seed=1)) >= 12


def test_two_hundred_random_faults_are_called_by_their_names_and_change_no_bit(tmp_path):
    assert len(check_chaos(tmp_path, faults=200, seconds=400, limit=2500, seed=2)) == KINDS
