"""Every relative link of the documents leads somewhere, and the checker sees those that do not."""
import pathlib

import pytest

import links

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_every_link_of_the_documents_leads_to_a_file():
    assert links.offences(ROOT) == []


def test_the_checker_reads_the_documents_and_their_links():
    assert ROOT / "README.md" in list(links.documents(ROOT))
    assert len(links.LINK.findall(links.prose((ROOT / "README.md").read_text()))) > 5


def tree(root, text):
    (root / "docs/deep").mkdir(parents=True)
    (root / "docs/there.md").write_text("# There\n\n## What `it` is: a part\n\n## Twice\n\n## Twice\n")
    (root / "docs/deep/page.md").write_text(text)
    return links.offences(root)


@pytest.mark.parametrize("text, complaint", [
    ("[a](gone.md)", "gone.md: there is no such file"),
    ("[a](there.md)", "there.md: there is no such file"),
    ("[a](../gone/)", "../gone/: there is no such file"),
    ("![a](picture.png)", "picture.png: there is no such file"),
    ('[a](gone.md "with a title")', "gone.md: there is no such file"),
    ("[a [nested] name](gone.md)", "gone.md: there is no such file"),
    ("[`code`](gone.md)", "gone.md: there is no such file"),
    ("[a]: gone.md", "gone.md: there is no such file"),
    ("[a](../there.md#gone)", "../there.md#gone: there is no such heading"),
    ("[a](#gone)", "#gone: there is no such heading"),
    ("[a](../../../outside)", "../../../outside"),
    ("| [a](../there.md) | [b](gone.md) |", "gone.md: there is no such file"),
])
def test_a_link_that_leads_nowhere_is_named_with_its_line(tmp_path, text, complaint):
    found = tree(tmp_path, "# Page\n\n```\n[code](is/not/a/link)\n```\n\n" + text + "\n")
    assert len(found) == 1 and found[0].startswith("docs/deep/page.md:7: ") and complaint in found[0], found


def test_what_leads_somewhere_is_not_complained_about(tmp_path):
    assert tree(tmp_path, "# Page\n[a](../there.md) [b](../there.md#what-it-is-a-part) [c](#page) [d](..) [e](https://example.org/x) "
                          "[f](../there.md#twice-1)\n`[code](gone.md)` ``[more `code`](gone.md)``\n") == []


def test_folders_that_builds_and_runs_fill_are_left_out(tmp_path):
    for folder in ("build", "runs", ".cache"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.md").write_text("[a](gone.md)")
    assert tree(tmp_path, "") == []
