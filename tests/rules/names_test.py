"""One name, one type: two types of one name in two headers of namespace holdfast are one to the linker, which takes the destructor of either."""
import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["apps", "base", "bench", "callbacks", "checkpoint", "cuda", "data", "dist", "launch", "options", "report", "tasks", "trainer"]
TYPE = re.compile(r"^(?:struct|class|enum class) (\w+)(?: final)?(?: :[^:].*)? \{", re.MULTILINE)
NAMESPACE = re.compile(r"^namespace (\w+(?:::\w+)*) \{", re.MULTILINE)


def types_of(text):
    """Qualified names of the types that a header defines outside of other types."""
    for found in TYPE.finditer(text):
        opened = [match[1] for match in NAMESPACE.finditer(text, 0, found.start())]
        for name in re.findall(r"^\}  // namespace (\w+(?:::\w+)*)", text[:found.start()], re.MULTILINE):
            opened.remove(name)
        yield "::".join([*opened, found[1]])


def test_a_type_is_found_with_its_namespaces():
    text = "namespace a {\nstruct B {\n};\nnamespace event {\nstruct C {\n};\n}  // namespace event\nclass D final : public B {\n};\n}  // namespace a\n"
    assert list(types_of(text)) == ["a::B", "a::event::C", "a::D"]


def test_no_type_is_defined_in_two_headers():
    places = collections.defaultdict(list)
    for folder in FOLDERS:
        for header in sorted((ROOT / folder).rglob("*.h")):
            for name in types_of(header.read_text()):
                places[name].append(str(header.relative_to(ROOT)))
    assert len(places) > 200
    twice = {name: headers for name, headers in places.items() if len(headers) > 1}
    assert not twice, twice
