"""How a run over several hosts is started."""
import os
import stat
import subprocess

import hosts
import runs
from hosted_runs import HostedRun, configuration

EXIT_USAGE = 64


def refused(*words):
    done = subprocess.run([str(word) for word in (runs.BIN / "holdfast", "run", *words)], capture_output=True, text=True, timeout=20,
                          env={key: value for key, value in os.environ.items() if not key.startswith("SLURM_")})
    return done.returncode, done.stdout + done.stderr


def test_more_ranks_than_slots_and_two_lists_of_hosts_are_refused(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", configuration())
    (tmp_path / "hosts").write_text("a slots=2\nb slots=1\n")
    code, text = refused(config, "--hosts", "a:2,b:1", "-n", "4")
    assert code == EXIT_USAGE and "-n 4: a:2,b:1 have 3 slots" in text
    assert refused(config, "--hostfile", tmp_path / "hosts", "-n", "4") == (code, text)
    code, text = refused(config, "--hostfile", tmp_path / "hosts", "--hosts", "a")
    assert code == EXIT_USAGE and "give one of them" in text
    code, text = refused(config, "--hosts", "a:2,b:x")
    assert code == EXIT_USAGE and "found 'b:x'" in text
    assert not (tmp_path / "runs").exists()


def test_ranks_fill_the_hosts_in_order_and_no_command_line_shows_the_token(lab_of, tmp_path):
    lab = lab_of(3)
    config = runs.write_config(tmp_path / "config.yaml", configuration(trainer={"max_steps": 150}))
    (tmp_path / "hosts").write_text("node0 slots=1\nnode1 slots=2\nnode2 slots=1\n")
    run = HostedRun(lab, tmp_path / "run")
    run.directory.mkdir()
    words = [runs.BIN / "holdfast", "run", config, "--hostfile", tmp_path / "hosts", "-n", "3", "--launch-agent", hosts.AGENT, "--run-dir", run.directory]
    with open(run.directory / "output.txt", "w") as output:
        run.process = lab.start(0, *words, stdout=output, stderr=output, env=runs.environment())
    run.until_step(30)
    found = {host: [name for name in run.left(host).values()] for host in range(3)}
    assert [found[host].count("holdfast-train") for host in range(3)] == [1, 2, 0], found
    secrets = set()
    for host in range(3):
        for pid in run.left(host):
            with open(f"/proc/{pid}/environ", "rb") as file:
                secrets |= {entry.split(b"=", 1)[1] for entry in file.read().split(b"\0") if entry.startswith(b"HOLDFAST_TOKEN=")}
            assert stat.S_IMODE(os.stat(f"/proc/{pid}/environ").st_mode) == 0o400
    assert len(secrets) == 1 and len(secrets := secrets.pop()) == 32
    for host in range(3):
        for pid in run.left(host):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                assert secrets not in file.read()
    run.whole()
    run.assert_nothing_left()


def test_inside_a_slurm_allocation_the_hosts_are_its_own(lab_of, tmp_path):
    """scontrol is played by a script here; tests/slurm runs a real one."""
    lab = lab_of(2)
    config = runs.write_config(tmp_path / "config.yaml", configuration(trainer={"max_steps": 60}))
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text('#!/bin/sh\n[ "$*" = "show hostnames" ] && [ "$SLURM_JOB_NODELIST" = "node[0-1]" ] && printf "node0\\nnode1\\n"\n')
    scontrol.chmod(0o755)
    slurm = {"SLURM_JOB_NODELIST": "node[0-1]", "SLURM_JOB_CPUS_PER_NODE": "4(x2)", "SLURM_CPUS_PER_TASK": "2",
             "PATH": f"{scontrol.parent}:{os.environ['PATH']}"}
    words = [runs.BIN / "holdfast", "run", config, "--launch-agent", hosts.AGENT, "--run-dir", tmp_path / "run"]
    done = lab.run(0, *words, env={**runs.environment(), **slurm}, seconds=60)
    assert done.returncode == 0, done.stdout + done.stderr
    run = HostedRun(lab, tmp_path / "run")
    assert run.placements() == [{"node0": 2, "node1": 2}]
    run.assert_nothing_left()
