"""What the code can end with and write down, and whether docs/exit-codes.md and docs/journal.md speak of it."""
import pathlib
import re


def exit_codes(root):
    """{constant: number} of base/exit_code.h."""
    return {name: int(value) for name, value in re.findall(r"^\s*(kExit\w+)\s*=\s*(\d+)", (root / "base/exit_code.h").read_text(), re.MULTILINE)}


def journal_events(root):
    """The names of the events that launch/ writes: the text literals in the place of the name."""
    found = set()
    for path in sorted((root / "launch").glob("*.cpp")):
        text = path.read_text()
        for match in re.finditer(r"(?:action::Journal\s*\{|journal_?\.write\()", text):
            name = re.split(r"[{},]", text[match.end():], maxsplit=1)[0]
            found |= set(re.findall(r'"(\w+)"', name))
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
