"""Relative links of the documents: each has to lead to a file, and its #part to a heading."""
import pathlib
import re

FENCE = re.compile(r"^( {0,3})(```+|~~~+).*?(?:^\1\2[`~]*\s*$|\Z)", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)")
DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
NOT_OURS = {"build", "runs"}  # made by running things; hidden folders are left out too


def documents(root):
    for path in sorted(root.rglob("*.md")):
        parts = path.relative_to(root).parts
        if parts[0] not in NOT_OURS and not any(part.startswith(".") for part in parts):
            yield path


def prose(text):
    """The text without what stands in code, which keeps its lines."""
    for pattern in (FENCE, CODE):
        text = pattern.sub(lambda match: "\n" * match.group(0).count("\n"), text)
    return text


def anchors(path):
    """The names of the headings, as the usual renderers make them: lower case, no punctuation, dashes for spaces."""
    found = set()
    for heading in HEADING.findall(FENCE.sub("", path.read_text())):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number = next(n for n in range(1000) if (f"{name}-{n}" if n else name) not in found)
        found.add(f"{name}-{number}" if number else name)
    return found


def offences(root):
    """One line for each link that leads nowhere."""
    root, found = pathlib.Path(root).resolve(), []
    for path in documents(root):
        text = prose(path.read_text())
        for match in sorted([*LINK.finditer(text), *DEFINITION.finditer(text)], key=lambda one: one.start()):
            why = broken(root, path, match.group(1))
            if why:
                found.append(f"{path.relative_to(root)}:{text.count(chr(10), 0, match.start(1)) + 1}: {match.group(1)}: {why}")
    return found


def broken(root, document, link):
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", link):
        return None  # another place's
    name, _, anchor = link.partition("#")
    target = (document.parent / name).resolve() if name else document
    if not target.exists():
        return "there is no such file"
    if root not in [target, *target.parents]:
        return "is outside of this tree"
    if anchor and target.suffix == ".md" and anchor not in anchors(target):
        return "there is no such heading"
    return None
