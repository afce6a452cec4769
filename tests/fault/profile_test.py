"""`profile:` a table of where the time of a few steps goes, and a trace of each rank."""
import json

import runs

SECTIONS = {"data", "forward", "backward", "reduce", "update", "between steps"}


def rows_of(output):
    """By table: the numbers of each rank."""
    tables, lines = [], output.splitlines()
    for at, line in enumerate(lines):
        if "profile: milliseconds a step" in line:
            rows = [row.split() for row in lines[at + 2:at + 4]]
            assert [row[0] for row in rows] == ["0", "1"]
            tables.append([[float(number) for number in row[1:]] for row in rows])
    return tables


def test_a_few_steps_are_measured_in_each_attempt_and_nothing_else_changes(tmp_path):
    plain = runs.write_config(tmp_path / "plain.yaml", runs.configuration("mlp", max_steps=30))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(plain)
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=30, profile={"steps": 4, "after_steps": 3}))
    injections = ["kill:rank=1,step=6", "kill:rank=0,step=19"]  # in the middle of what is measured, and after it
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections)
    runs.assert_landed(run, injections)
    runs.assert_same_runs(run, undisturbed)
    tables = rows_of(run.output)
    assert len(tables) == 2, "none of the first attempt, which was killed before the last of these steps\n" + run.output
    for row in tables[0] + tables[1]:
        *parts, whole, waiting = row
        assert len(parts) == len(SECTIONS) and abs(sum(parts) - whole) < 0.01
        assert 0 < parts[2] < whole and 0 <= waiting < whole
    logs = sorted(path.relative_to(run.directory).as_posix() for path in run.directory.glob("logs/*/*.trace.json"))
    assert logs == [f"logs/attempt-00{attempt}/rank-{rank}.trace.json" for attempt in (2, 3) for rank in (0, 1)]
    for rank in (0, 1):
        events = json.loads((run.directory / f"logs/attempt-002/rank-{rank}.trace.json").read_text())["traceEvents"]
        names = [event.get("name") for event in events]
        assert names.count("reduce") == names.count("update") == 4 and names.count("backward") == 8, "of two batches each"
        assert SECTIONS <= set(names)
        assert any(str(name).startswith("aten::") for name in names), "every operation is there"


def test_a_run_that_ends_before_all_of_them_tells_of_those_that_it_has_made(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=10, profile={"steps": 20, "after_steps": 3}))
    run = runs.Run(tmp_path / "run").supervised(config)
    assert len(rows_of(run.output)) == 1 and "means of 7 steps" in run.output, run.output
    assert len(list(run.directory.glob("logs/attempt-001/*.trace.json"))) == 2
    run = runs.Run(tmp_path / "short").supervised(config, arguments=["--set", "profile.after_steps=30"])
    assert "ends after 10 steps of this start; profile.after_steps is 30, so none was measured" in run.output


def test_nothing_is_measured_unless_it_is_asked_for(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=10))
    run = runs.Run(tmp_path / "run").supervised(config)
    assert "profile:" not in run.output and "ERROR" not in run.output and not list(run.directory.glob("logs/*/*.trace.json"))
