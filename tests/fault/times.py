"""How long failures took, in seconds, as the tests saw it: kept in the file that HOLDFAST_TIMES names, and made into a table.

    HOLDFAST_TIMES=/tmp/times.jsonl ctest --test-dir build/release -R 'fault.supervisor|fault.hangs|cluster'
    python3 tests/fault/times.py /tmp/times.jsonl
"""
import json
import os
import pathlib
import statistics
import sys


def keep(failure, told, new_step):
    """From the fault until it was told, and until a step that is new; None where a test does not see it."""
    if name := os.environ.get("HOLDFAST_TIMES"):
        with open(name, "a") as file:
            file.write(json.dumps({"failure": failure, "told": told, "new_step": new_step}) + "\n")


def of_first_step_after(run, step):
    """When its line of metrics was written."""
    return min(line["wall_clock"]["unix_seconds"] for line in run.lines("metrics.jsonl") if line["step"] > step and "wall_clock" in line)


def keep_of_run(run, failure, struck_at, attempt=1):
    """The same from what the run has written of the end of an attempt and of the steps after it; returned, too. It has to log often."""
    [ended] = [line for line in run.journal("attempt_ended") if line["attempt"] == attempt]
    of_attempt = {}
    for line in run.journal():
        if line.get("attempt") == attempt and line["unix_seconds"] > struck_at:
            of_attempt.setdefault(line["event"], line["unix_seconds"])
    told = of_attempt.get("host_lost") or min(of_attempt[event] for event in ("rank_lost", "hang", "launcher_ended", "attempt_ended") if event in of_attempt)
    seconds = told - struck_at, of_first_step_after(run, ended["reached_step"]) - struck_at
    keep(failure, *seconds)
    return seconds


def table(lines):
    """Median and largest, one row a failure."""
    def words(values):
        values = [value for value in values if value is not None]
        return f"{statistics.median(values):.2f} ({max(values):.2f})" if values else "–"

    rows = ["| failure | told | new step | times |", "|---|---|---|---|"]
    for failure in dict.fromkeys(line["failure"] for line in lines):
        of = [line for line in lines if line["failure"] == failure]
        rows.append(f"| {failure} | {words([line['told'] for line in of])} | {words([line['new_step'] for line in of])} | {len(of)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table([json.loads(line) for line in pathlib.Path(sys.argv[1]).read_text().splitlines()]))
