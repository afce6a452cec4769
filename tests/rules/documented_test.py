"""Exit codes, events of the journal, environment variables and kinds of faults are documented, all of them once, and the checker sees what is not."""
import pathlib

import documented

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_every_exit_code_and_every_event_is_documented():
    assert documented.undocumented(ROOT) == []


def test_the_checker_finds_them_in_the_code():
    assert {"kExitOk": 0, "kExitTemporary": 75}.items() <= documented.exit_codes(ROOT).items()
    assert len(documented.exit_codes(ROOT)) >= 9
    assert {"run_started", "rank_lost", "orphans", "done", "stopped", "gave_up"} <= documented.journal_events(ROOT)


def tree(root, codes="kExitOk = 0,\n  kExitLate = 99,  // late", event='events_.happened("begun", {{"attempt", 1}});',
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


def test_every_variable_and_every_kind_of_fault_is_named_where_they_are_listed():
    assert documented.unnamed(ROOT) == []
    assert {"HOLDFAST_TOKEN", "HOLDFAST_REACHED_STEP"} <= set(documented.variables(ROOT))
    assert {"kill", "nan", "stall"} <= set(documented.faults(ROOT))


def test_every_test_that_is_named_with_its_file_exists():
    assert documented.unknown_tests(ROOT) == []
    assert "fault/hangs_test.py::" in (ROOT / "docs/failure-matrix.md").read_text()


def test_nothing_is_documented_twice():
    assert documented.repeated(ROOT) == []


def written(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_variable_or_fault_that_is_named_elsewhere_alone_is_told(tmp_path):
    code = {"base/environment.h": 'constexpr const char* kToken = "HOLDFAST_TOKEN";\n', "base/injection.cpp": '{{{"kill", "", FaultKind::kill},\n{"hang", "ever", FaultKind::hang}}}'}
    documents = {"docs/operations.md": "`HOLDFAST_TOKEN` `hang`\n| `KIND` | `kill` |\n## Environment variables\n", "README.md": "- `--inject KIND`: `kill`,\n  `hang`\n- `more`\n"}
    assert documented.unnamed(written(tmp_path, {**code, **documents})) == [
        "docs/operations.md does not name HOLDFAST_TOKEN under ## Environment variables", "docs/operations.md does not name hang under | `KIND` |"]


def test_a_test_that_is_nowhere_is_told(tmp_path):
    named = "`fault/a_test.py::test_one`, `fault/a_test.py::test_two`, `fault/b_test.py::test_one`\n"
    assert documented.unknown_tests(written(tmp_path, {"docs/page.md": named, "tests/fault/a_test.py": "def test_one():\n    pass\n"})) == [
        "docs/page.md names fault/a_test.py::test_two, which is no test", "docs/page.md names fault/b_test.py::test_one, which is no test"]


def test_a_row_and_a_number_that_come_twice_are_told(tmp_path):
    tables = "| code | |\n|---|---|\n| 69 | a |\n| 70 | b |\n| 69 | c |\n| | d |\n| | e |\n\n| 69 | of another table |\n"
    assert documented.repeated(written(tmp_path, {"docs/exit-codes.md": tables, "docs/guarantees.md": "**4.1 One.**\n\n**4.1 Two.**\n\n**4.2 Three.**\n"})) == [
        "docs/exit-codes.md:5: another row of the table begins with 69", "docs/guarantees.md: 4.1 is there 2 times"]
