"""Every row of cases/*.yaml: a policy and a made-up run, held against what `holdfast ckpt simulate` says is left on disk.

A row that deviates from the reference system says which deviation of docs/retention.md it is; one that cites none is a failure."""
import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml

import traces

HERE = pathlib.Path(__file__).parent
HOLDFAST = pathlib.Path(os.environ["HOLDFAST_BIN"]) / "holdfast"
DEVIATIONS = HERE.parents[1] / "docs/retention.md"


def rows():
    found = []
    for path in sorted(HERE.glob("cases/*.yaml")):
        found += yaml.safe_load(path.read_text())
    return found


def simulate(directory, row):
    policy, trace = directory / "policy.yaml", directory / "trace.jsonl"
    policy.write_text(json.dumps({"checkpoints": row["checkpoints"], **({"validation": row["validation"]} if "validation" in row else {})}))
    trace.write_text("".join(json.dumps(event) + "\n" for event in traces.events_of(row["runs"])))
    return subprocess.run([HOLDFAST, "ckpt", "simulate", policy, trace, "--json"], capture_output=True, text=True, timeout=60)


def number(value):
    return float(value) if isinstance(value, str) else value


def named(result, entry, what):
    """[name, score] or [name, step] of `best`, `kth` or `last`."""
    found = result["entries"][entry][what]
    if found is None:
        return None
    if what == "last":
        return [found["name"], int(found["state"].split("-")[1].split(".")[0])]
    return [found["name"], number(found["score"])]


def check(result, row):
    expect = row["expect"]
    entry = row["checkpoints"][0]["name"] if row["checkpoints"] else None
    if "names" in expect:
        wanted = expect["names"]
        if not isinstance(wanted, dict):
            wanted = {f"run/{entry}": wanted}
        found = {f"{directory}/{name}": sorted(names) for directory, disk in result["directories"].items() for name, names in disk["names"].items()}
        assert found == {key: sorted(map(str, names)) for key, names in wanted.items() if names}
    if "steps" in expect:  # of the states that names point to
        states = {state for disk in result["directories"].values() for names in disk["names"].values() for state in names.values()}
        assert sorted(int(state.split("-")[-1].split(".")[0]) for state in states) == sorted(expect["steps"])
    for what in ("best", "kth", "last"):
        if what in expect:
            wanted = expect[what]
            assert named(result, entry, what) == (None if wanted is None else [wanted[0], pytest.approx(number(wanted[1]), nan_ok=True) if wanted[1] is not None else None])
    if "removed" in expect:  # names, in the order in which they went
        assert [name for event in result["events"] for decision in event["decisions"] for name in decision["removed"]] == expect["removed"]
    if "warning" in expect:
        said = [decision["why"] for event in result["events"] for decision in event["decisions"] if decision["is_warning"]]
        assert any(expect["warning"] in text for text in said), said


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["id"])
def test_row(row, tmp_path):
    done = simulate(tmp_path, row)
    if "error" in row["expect"]:
        assert done.returncode == 78, done.stdout + done.stderr
        assert row["expect"]["error"] in done.stderr
        return
    assert done.returncode == 0, done.stderr
    check(json.loads(done.stdout), row)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["id"])
def test_row_says_how_it_stands_to_the_reference(row):
    verdict = row["verdict"]
    if verdict == "as reference":
        return
    cited = re.fullmatch(r"deviates: item (\d+)", verdict)
    assert cited, f"{row['id']}: '{verdict}' is neither `as reference` nor `deviates: item N`"
    assert f"\n{cited.group(1)}. " in DEVIATIONS.read_text(), f"docs/retention.md has no deviation {cited.group(1)}"
    assert row.get("reference"), f"{row['id']} says what the reference does"


def test_ids_are_unique():
    ids = [row["id"] for row in rows()]
    assert len(ids) == len(set(ids))
