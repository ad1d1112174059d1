"""The pages of the findings are what the rules' METADATA says, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluiceway.errors import ActionFailed
from sluiceway.policy import Bundle, PolicyWorkbench
from sluiceway.policy.pages import compare_pages, finding_pages, write_pages

DOCS = Path(__file__).parents[2] / "docs" / "findings"


@pytest.fixture(scope="module")
def pages(engine: PolicyWorkbench, policies: Bundle) -> dict[str, str]:
    return finding_pages(engine, policies)


def test_the_committed_pages_are_as_they_would_be_written(pages: dict[str, str]) -> None:
    # `invoke policy.docs` writes them.
    assert compare_pages(DOCS, pages) == []


def test_every_code_has_a_page_and_a_row(pages: dict[str, str]) -> None:
    assert "promotion.role.md" in pages
    for name in pages.keys() - {"index.md"}:
        assert f"]({name})" in pages["index.md"]


def test_a_page_says_why_what_to_do_and_what_it_judges_by(pages: dict[str, str]) -> None:
    page = pages["promotion.role.md"]
    assert "## The person may do this" in page
    assert "This rule **denies** (package `promotion`, `promotion/role/role.rego`)." in page
    assert "invoke promote --from={source} --to={target}" in page
    assert "* `data.promotion.people[input.actor.name]`" in page
    assert "No waiver excuses it" in page
    assert "A waiver may excuse it." in pages["gate.smoke.md"]
    assert pages["promotion.path.md"].count("This rule **denies**") == 3
    assert "This rule **warns**" in pages["promotion.noop.md"]


def test_writing_twice_changes_nothing_and_others_pages_are_left_alone(
    tmp_path: Path, pages: dict[str, str]
) -> None:
    folder = tmp_path / "findings"
    assert {each.kind for each in write_pages(folder, pages)} == {"missing"}
    assert write_pages(folder, pages) == []
    (folder / "notes.md").write_text("Mine.\n")
    (folder / "promotion.role.md").write_text("other")
    (folder / "old.md").write_text(pages["promotion.role.md"])
    found = [(each.page, each.kind) for each in compare_pages(folder, pages)]
    assert found == [("old.md", "left over"), ("promotion.role.md", "other")]
    write_pages(folder, pages)
    assert (folder / "notes.md").read_text() == "Mine.\n"
    assert not (folder / "old.md").exists()
    assert compare_pages(folder, pages) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path, pages: dict[str, str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ActionFailed) as caught:
        write_pages(tmp_path / "file", pages)
    assert caught.value.code == "policy.docs"
