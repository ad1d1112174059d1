"""Reading folders of policies: what is merged, what is refused, what the digest names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.policy import Bundle, bundled_policies, load_bundle


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    write(folder / "g/g.rego", "package g\n")
    write(folder / "g/g_test.rego", "package g_test\n")
    write(folder / "g/data.json", {"limits": {"a": 1, "b": [1, 2]}, "on": True})
    write(folder / "data.json", {"site": "x"})
    write(folder / "schemas/g/input.json", {"type": "object"})
    return folder


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def code_of(paths: list[Path], data: list[Path] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_bundle(paths, data or [])
    assert caught.value.what
    return caught.value.code


def test_folders_become_modules_data_and_schemas(root: Path) -> None:
    bundle = load_bundle([root])
    assert bundle.modules == {"g/g.rego": "package g\n"}
    assert bundle.data == {"site": "x", "g": {"limits": {"a": 1, "b": [1, 2]}, "on": True}}
    assert bundle.schemas == {"g": {"type": "object"}}
    assert str(root) in bundle.origin


def test_tests_are_only_there_when_asked_for(root: Path) -> None:
    assert "g/g_test.rego" in load_bundle([root], tests=True).modules
    assert "g/g_test.rego" not in load_bundle([root]).modules


def test_the_sites_data_comes_last_objects_merged_and_the_rest_replaced(
    root: Path, tmp_path: Path
) -> None:
    first = write(tmp_path / "1.json", {"g": {"limits": {"b": [3]}, "people": {"a": ["x"]}}})
    second = write(tmp_path / "2.json", {"g": {"on": None, "people": {"b": ["y"]}}})
    assert load_bundle([root], [first, second]).data["g"] == {
        "limits": {"a": 1, "b": [3]},
        "on": None,
        "people": {"a": ["x"], "b": ["y"]},
    }


def test_a_later_folder_lies_over_the_earlier(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other / "g/g.rego", "package g\n\nx := 1\n")
    write(other / "g/data.json", {"limits": {"a": 9}})
    bundle = load_bundle([root, other])
    assert bundle.modules == {"g/g.rego": "package g\n\nx := 1\n"}
    assert bundle.data["g"]["limits"] == {"a": 9, "b": [1, 2]}


def test_the_digest_names_the_content_and_nothing_else(root: Path, tmp_path: Path) -> None:
    def digest() -> str:
        return load_bundle([root]).digest

    before = digest()
    assert before.startswith("sha256:")
    write(root / "g/g_test.rego", "package g_test\n\nx := 1\n")
    write(root / "README.md", "words")
    write(root / ".hidden/x.rego", "package x\n")
    assert digest() == before
    moved = root.rename(tmp_path / "moved")
    assert load_bundle([moved]).digest == before
    seen = {before}
    for name, content in (
        ("g/g.rego", "package g\n\n"),
        ("data.json", {"site": "y"}),
        ("schemas/g/input.json", {"type": "object", "title": "t"}),
    ):
        write(moved / name, content)
        seen.add(load_bundle([moved]).digest)
    assert len(seen) == 4


def test_no_rego_is_an_error_and_not_an_open_gate(tmp_path: Path) -> None:
    assert code_of([]) == "policy.empty"
    assert code_of([write(tmp_path / "a/data.json", {}).parent]) == "policy.empty"
    assert code_of([write(tmp_path / "b/x_test.rego", "package x\n").parent]) == "policy.empty"


def test_a_missing_folder(tmp_path: Path) -> None:
    assert code_of([tmp_path / "nowhere"]) == "policy.missing"


def test_a_data_file_that_is_not_there_is_no_matter_of_permissions(
    root: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no file .*people") as caught:
        load_bundle([root], [tmp_path / "people.json"])
    assert "data in [policy]" in caught.value.remedy


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, ""]
)
def test_data_that_is_not_an_object_of_json(root: Path, tmp_path: Path, text: str) -> None:
    site = write(tmp_path / "site.json", text)
    assert code_of([root], [site]) == "policy.data"


def test_a_broken_data_file_is_named_with_its_line(root: Path) -> None:
    write(root / "g/data.json", '{\n "a": 1,\n "b" 2\n}')
    with pytest.raises(ConfigurationError, match=r"g/data\.json:3 is not JSON"):
        load_bundle([root])


def test_a_test_is_read_by_those_who_run_it_alone(root: Path) -> None:
    (root / "g/other_test.rego").write_bytes(b"package g_test\n# \xff\n")
    assert "g/other_test.rego" not in load_bundle([root]).modules
    with pytest.raises(ConfigurationError, match=r"other_test\.rego cannot be read"):
        load_bundle([root], tests=True)


def test_a_link_that_leads_nowhere_readable_is_not_left_out(root: Path) -> None:
    (root / "g/round.rego").symlink_to("round.rego")
    with pytest.raises(ConfigurationError, match=r"round\.rego cannot be read"):
        load_bundle([root])


def test_a_file_that_is_not_utf8(root: Path) -> None:
    (root / "g/g.rego").write_bytes(b"package g\n# \xff\n")
    assert code_of([root]) == "policy.missing"


@pytest.mark.parametrize(
    "schema",
    [
        {"oneOf": []},
        {"properties": {"a": {"minItems": 1}}},
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"items": {"$ref": "#/properties/a"}},
        [],
    ],
)
def test_a_schema_that_would_not_be_checked_whole_is_refused(root: Path, schema: Any) -> None:
    write(root / "schemas/g/input.json", schema)
    assert code_of([root]) in {"input.schema", "policy.data"}


def test_the_bundled_policies_are_there() -> None:
    bundle: Bundle = load_bundle([bundled_policies()])
    assert {"image", "promotion", "rollback"} <= set(bundle.schemas)
