"""Every exit code and every event of the journal is documented, and the checker sees one that is not."""
import pathlib

import documented

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_every_exit_code_and_every_event_is_documented():
    assert documented.undocumented(ROOT) == []


def test_the_checker_finds_them_in_the_code():
    assert {"kExitOk": 0, "kExitTemporary": 75}.items() <= documented.exit_codes(ROOT).items()
    assert len(documented.exit_codes(ROOT)) >= 9
    assert {"run_started", "rank_lost", "orphans", "done", "stopped", "gave_up"} <= documented.journal_events(ROOT)


def tree(root, codes="kExitOk = 0,\n  kExitLate = 99,  // late", event='journal_.write("begun", {{"attempt", 1}});',
         rows="| 0 | `kExitOk` | |\n| 99 | `kExitLate` | |", headings="### `begun`"):
    for folder in ("base", "launch", "docs"):
        (root / folder).mkdir()
    (root / "base/exit_code.h").write_text(f"enum ExitCode : int {{\n  {codes}\n}};\n")
    (root / "launch/supervisor.cpp").write_text(event)
    (root / "docs/exit-codes.md").write_text(rows)
    (root / "docs/journal.md").write_text(headings)
    return documented.undocumented(root)


def test_a_tree_that_documents_all_is_not_complained_about(tmp_path):
    assert tree(tmp_path) == []


def test_a_constant_without_a_row_or_with_another_number_is_named(tmp_path):
    for rows in ("| 0 | `kExitOk` | |", "| 0 | `kExitOk` | |\n| 98 | `kExitLate` | |"):
        (tmp_path / str(len(rows))).mkdir()
        assert tree(tmp_path / str(len(rows)), rows=rows) == ["docs/exit-codes.md has no row `| 99 | `kExitLate` |`"]


def test_a_row_of_no_constant_is_named(tmp_path):
    assert tree(tmp_path, codes="kExitOk = 0,") == ["docs/exit-codes.md: kExitLate is not in base/exit_code.h"]


def test_an_event_without_a_heading_is_named(tmp_path):
    event = 'actions = {action::Journal{"begun", {}}, action::Journal{is_late\n ? "late"\n : "early", {{"no_event", 1}}}};'
    assert tree(tmp_path, event=event) == [f"docs/journal.md has no heading for the event {name}" for name in ("early", "late")]


def test_a_heading_of_no_event_is_named(tmp_path):
    assert tree(tmp_path, headings="### `begun`, `ended`\n`field`") == ["docs/journal.md: nothing writes the event ended"]
