"""What the code can end with, write down and be told, whether the documents speak of it, and whether they say anything twice."""
import pathlib
import re

import links


def exit_codes(root):
    """{constant: number} of base/exit_code.h."""
    return {name: int(value) for name, value in re.findall(r"^\s*(kExit\w+)\s*=\s*(\d+)", (root / "base/exit_code.h").read_text(), re.MULTILINE)}


def journal_events(root):
    """The names of the events that launch/ writes: the text literals in the place of the name, and those of decisions."""
    found = set()
    for path in sorted((root / "launch").rglob("*.cpp")):
        text = path.read_text()
        for match in re.finditer(r"(?:action::Journal\s*\{|\bhappened\(|handlers_\.journal\()", text):
            name = re.split(r"[{},]", text[match.end():], maxsplit=1)[0]
            found |= set(re.findall(r'"(\w+)"', name))
        found |= set(re.findall(r'RestartDecision::Kind::\w+: return "(\w+)";', text))
    return found


def undocumented(root):
    """One line for each constant without its row, each event without its heading, and each heading of no event."""
    root, found = pathlib.Path(root), []
    rows = dict((name, int(code)) for code, name in re.findall(r"^\| (\d+) \| `(\w+)` \|", (root / "docs/exit-codes.md").read_text(), re.MULTILINE))
    for name, code in exit_codes(root).items():
        if rows.pop(name, None) != code:
            found.append(f"docs/exit-codes.md has no row `| {code} | `{name}` |`")
    found += [f"docs/exit-codes.md: {name} is not in base/exit_code.h" for name in rows]
    headings = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^### .*$", (root / "docs/journal.md").read_text(), re.MULTILINE))))
    events = journal_events(root)
    found += [f"docs/journal.md has no heading for the event {name}" for name in sorted(events - headings)]
    found += [f"docs/journal.md: nothing writes the event {name}" for name in sorted(headings - events)]
    return found


def variables(root):
    """The environment variables of base/environment.h."""
    return re.findall(r'= "(HOLDFAST_\w+)";', (root / "base/environment.h").read_text())


def faults(root):
    """The kinds of `--inject`, as base/injection.cpp reads them."""
    return re.findall(r'\{"(\w+)", "[^"]*", FaultKind::', (root / "base/injection.cpp").read_text())


def unnamed(root):
    """One line for each environment variable and each kind of fault that a document leaves out where it lists them."""
    root, found = pathlib.Path(root), []
    for document, begin, end, names in (("docs/operations.md", "## Environment variables", r"\n## ", variables(root)),
                                        ("docs/operations.md", "| `KIND` |", r"\n", faults(root)),
                                        ("README.md", "- `--inject KIND", r"\n- |\n\n", faults(root))):
        text = (root / document).read_text() + "\n"
        part = re.split(end, text[text.find(begin):])[0] if begin in text else ""
        found += [f"{document} does not name {name} under {begin}" for name in names if f"`{name}`" not in part]
    return found


def unknown_tests(root):
    """One line for each `folder/file_test.py::test_name` of a document that is not below tests/."""
    root, found = pathlib.Path(root), []
    for path in links.documents(root):
        for file, name in re.findall(r"`(\w+/\w+_test\.py)::(\w+)`", path.read_text()):
            test = root / "tests" / file
            if not test.is_file() or not re.search(rf"^def {name}\(", test.read_text(), re.MULTILINE):
                found.append(f"{path.relative_to(root)} names {file}::{name}, which is no test")
    return found


def repeated(root):
    """One line for each row that begins as another of its table, and each number that two guarantees have."""
    root, found = pathlib.Path(root), []
    for path in links.documents(root):
        rows = set()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            first = line.split("|")[1].strip() if line.startswith("|") else None
            if first is None:
                rows = set()
            elif first and first in rows:
                found.append(f"{path.relative_to(root)}:{number}: another row of the table begins with {first}")
            else:
                rows.add(first)
    numbers = re.findall(r"^\*\*(\d+\.\d+) ", (root / "docs/guarantees.md").read_text(), re.MULTILINE)
    return found + [f"docs/guarantees.md: {number} is there {numbers.count(number)} times" for number in sorted(set(numbers)) if numbers.count(number) > 1]
