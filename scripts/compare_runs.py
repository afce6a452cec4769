"""Prints finished runs side by side: steps, loss, accuracy, restarts, recomputed steps, parameter hash.

  python3 scripts/compare_runs.py RUN_DIRECTORY... [--expect-restarts N]

Reads DONE.json, metrics.jsonl and journal.jsonl of each (docs/journal.md). With --expect-restarts, ends with 1 unless the
last run was restarted at least that often: a run that nothing happened to proves nothing. Standard library only.
"""
import argparse
import json
import pathlib
import sys


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=pathlib.Path, metavar="RUN_DIRECTORY")
    parser.add_argument("--expect-restarts", type=int, default=0)
    return parser.parse_args()


def json_lines(path):
    """The complete lines; a last line that was torn by a crash is no line."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().split("\n")[:-1] if line.strip()]


def ended_attempts(run):
    return [line for line in json_lines(run / "journal.jsonl") if line.get("event") == "attempt_ended"]


def restarts(run):
    return sum(line.get("event") == "restart" for line in json_lines(run / "journal.jsonl"))


def recomputed_steps(run):
    return sum(line.get("recomputed_steps") or 0 for line in ended_attempts(run))


def training_loss(run):
    losses = [line["loss"] for line in json_lines(run / "metrics.jsonl") if line.get("kind") == "train"]
    return losses[-1] if losses else None


def text(value, form):
    return "-" if value is None else format(value, form)


def rows(run):
    done = json.loads((run / "DONE.json").read_text())
    metrics = done.get("metrics", {})
    accuracy = metrics.get("validation_accuracy")
    return {
        "steps": text(done["global_step"], "d"),
        "training loss (last line)": text(training_loss(run), ".6f"),
        "test loss": text(metrics.get("validation_loss"), ".6f"),
        "test accuracy": text(accuracy, ".2%"),
        "restarts": text(restarts(run), "d"),
        "recomputed steps": text(recomputed_steps(run), "d"),
        "parameter hash": done["parameter_hash"],
    }


def print_table(runs):
    columns = [rows(run) for run in runs]
    titles = [run.name for run in runs]
    first = max(len(name) for name in columns[0])
    widths = [max(len(title), *(len(cell) for cell in column.values())) for title, column in zip(titles, columns)]
    print(" " * first, *(f"  {title:>{width}}" for title, width in zip(titles, widths)))
    for name in columns[0]:
        print(f"{name:<{first}}", *(f"  {column[name]:>{width}}" for column, width in zip(columns, widths)))


def main():
    arguments = parse_arguments()
    unfinished = [str(run) for run in arguments.runs if not (run / "DONE.json").exists()]
    if unfinished:
        sys.exit(f"no DONE.json, so not finished: {', '.join(unfinished)}")
    print_table(arguments.runs)
    happened = restarts(arguments.runs[-1])
    if happened < arguments.expect_restarts:
        sys.exit(f"{arguments.runs[-1]}: expected {arguments.expect_restarts} restarts, its journal shows {happened}")


if __name__ == "__main__":
    main()
