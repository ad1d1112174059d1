"""The pure parts of scan-osv: versions, severities, packages of an SBOM, and who is hit."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway_scan_osv.components import Component, components_of
from sluiceway_scan_osv.matching import affects, match
from sluiceway_scan_osv.severity import base_score, severity_of
from sluiceway_scan_osv.versions import COMPARABLE, parse


def component(version: str, ecosystem: str = "PyPI", name: str = "tool") -> Component:
    return Component(label=f"{name}@{version}", ecosystem=ecosystem, name=name, version=version)


def ranged(*events: dict[str, Any], kind: str = "ECOSYSTEM", **more: Any) -> dict[str, Any]:
    return {
        "package": {"ecosystem": "PyPI", "name": "tool"},
        "ranges": [{"type": kind, "events": list(events)}],
        **more,
    }


def record(id_: str, *aliases: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "aliases": list(aliases),
        "affected": [ranged({"introduced": "0"}, {"fixed": "2.0"})],
        **more,
    }


# --- versions ---------------------------------------------------------------------------------

# The chain of Semantic Versioning 2.0.0, section 11, and its neighbours.
SEMANTIC = (
    *("0.0.1-0", "0.0.1", "1.0.0-1", "1.0.0-2", "1.0.0-11", "1.0.0-alpha", "1.0.0-alpha.1"),
    *("1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"),
    *("1.2.0", "1.10.0", "2.0.0"),
)


@pytest.mark.parametrize("ecosystem", ["npm", "crates.io", "Go", "Hex"])
def test_semantic_versions_are_ordered(ecosystem: str) -> None:
    for lower, higher in itertools.combinations(SEMANTIC, 2):
        low, high = parse(ecosystem, lower), parse(ecosystem, higher)
        assert low is not None
        assert high is not None
        assert low < high, (lower, higher)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.2.3+a", "1.2.3+b"), ("v1.2.3", "1.2.3"), ("1.2", "1.2.0"), ("1", "1.0.0")],
)
def test_what_does_not_order_is_equal(one: str, other: str) -> None:
    assert parse("npm", one) == parse("npm", other)


def test_python_versions_are_not_ordered_as_text() -> None:
    order = ["1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0.post1", "1.9", "1.10", "1!0.1"]
    keys = [key for text in order if (key := parse("PyPI", text)) is not None]
    assert len(keys) == len(order)
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("ecosystem", "text"),
    [
        ("PyPI", "2004-d"),
        ("PyPI", ""),
        ("npm", "latest"),
        ("npm", "1.2.3.4"),
        ("npm", "1.2.3-"),
        ("npm", "1.٣.0"),
        ("npm", "9" * 5000),
        ("PyPI", "9" * 5000),
        ("Debian", "1.0"),
        ("Maven", "1.0"),
    ],
)
def test_what_cannot_be_ordered_is_not_guessed(ecosystem: str, text: str) -> None:
    assert parse(ecosystem, text) is None


def test_the_go_toolchain_writes_its_own_versions() -> None:
    assert parse("Go", "go1.23.1") == parse("Go", "v1.23.1") == parse("Go", "1.23.1")
    assert "Alpine" not in COMPARABLE


# --- severities -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vector", "score"),
    [  # FIRST, "CVSS v3.1 Examples"
        ("AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
        ("AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1),
        ("AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9),
        ("AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H", 7.8),
        ("AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 8.8),
        ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5),
        ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:N", 4.6),
        ("AV:A/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 8.8),
        ("AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H", 7.2),
        ("AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("A:N/I:H/C:N/S:U/UI:N/PR:N/AC:L/AV:N/E:U/RL:O", 7.5),  # any order; temporal ones ignored
    ],
)
def test_base_scores(vector: str, score: float) -> None:
    assert base_score(f"CVSS:3.1/{vector}") == score
    assert base_score(f"CVSS:3.0/{vector}") == score


@pytest.mark.parametrize(
    "vector",
    [
        "",
        "7.5",
        "AV:N/AC:L/Au:N/C:P/I:P/A:P",  # version 2
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H",
        "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:N/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\n",
    ],
)
def test_what_is_no_vector_has_no_score(vector: str) -> None:
    assert base_score(vector) is None


HIGH = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}
NONE = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"}
V4 = {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}


@pytest.mark.parametrize(
    ("advisory", "affected", "level"),
    [
        ({}, {}, "UNKNOWN"),
        ({"severity": [HIGH]}, {}, "HIGH"),
        ({"severity": [NONE]}, {}, "LOW"),
        ({"severity": [V4]}, {}, "UNKNOWN"),
        ({"severity": [V4], "database_specific": {"severity": "critical"}}, {}, "CRITICAL"),
        ({"database_specific": {"severity": "MODERATE"}}, {}, "MEDIUM"),
        ({"severity": [HIGH], "database_specific": {"severity": "LOW"}}, {}, "HIGH"),
        ({"severity": [NONE], "database_specific": {"severity": "HIGH"}}, {}, "HIGH"),
        ({}, {"severity": [HIGH]}, "HIGH"),
        ({}, {"ecosystem_specific": {"severity": "low"}}, "LOW"),
        ({"database_specific": {"severity": "very"}}, {}, "UNKNOWN"),
        ({"severity": "high", "database_specific": None}, {}, "UNKNOWN"),
        ({"severity": [None, {"score": 7.5}]}, {}, "UNKNOWN"),
    ],
)
def test_severity(advisory: dict[str, Any], affected: dict[str, Any], level: str) -> None:
    assert severity_of(advisory, (affected,)) == level


# --- who is hit -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "hit", "missed"),
    [
        (ranged({"introduced": "1.0"}, {"fixed": "1.10"}), "1.0 1.9 1.10rc1", "0.9 1.10 2.0"),
        (ranged({"introduced": "0"}, {"last_affected": "1.4"}), "0 1.4 1.4+cpu", "1.4.post1 1.5"),
        (ranged({"introduced": "0"}), "0.0.dev0 99", ""),
        (ranged({"fixed": "1.0"}), "0.9", "1.0"),  # no beginning: from the beginning
        (  # branches, listed out of order
            ranged(
                {"fixed": "2.3"}, {"introduced": "2.0"}, {"fixed": "1.8"}, {"introduced": "1.0"}
            ),
            "1.0 1.7 2.0 2.2",
            "0.1 1.8 1.99 2.3 3.0",
        ),
        (  # fixed, then broken again in the very same version
            ranged({"introduced": "1.0"}, {"fixed": "2.0"}, {"introduced": "2.0"}, {"fixed": "3"}),
            "1.0 2.0 2.9",
            "0.9 3.0",
        ),
        (ranged({"introduced": "1.5"}, {"last_affected": "1.5"}), "1.5 1.5.0", "1.4 1.5.1"),
        (ranged({"introduced": "0"}, {"limit": "2.0"}), "1.9", "2.0"),
        (ranged({"introduced": "0"}, {"limit": "*"}), "1.9 99", ""),
        (ranged({"introduced": "9"}, versions=["1.0", "1.2"]), "1.0 1.0.0 1.2+local 9", "1.1 8"),
        # What cannot be understood counts against the package.
        (ranged({"introduced": "0"}, {"fixed": "2019-09-12x"}), "1 99", ""),
        (ranged({"introduced": "0"}, {"fixed": "1"}, {"introduced": "?"}, {"fixed": "3"}), "2", ""),
        (ranged({"introduced": "0"}, {"limit": "?"}), "99", ""),
        ({"package": {"ecosystem": "PyPI", "name": "tool"}}, "1 2", ""),
        # GIT ranges name commits: with a list they say nothing, alone they leave everything open.
        (ranged({"introduced": "0"}, kind="GIT", versions=["1.0"]), "1.0", "1.1"),
        (ranged({"introduced": "0"}, kind="GIT"), "1.0", ""),
    ],
)
def test_affected_versions(entry: dict[str, Any], hit: str, missed: str) -> None:
    assert [text for text in hit.split() if not affects(entry, component(text))] == []
    assert [text for text in missed.split() if affects(entry, component(text))] == []


def test_zero_is_before_every_prerelease() -> None:
    entry = ranged({"introduced": "0"}, {"fixed": "0.0.1"}, kind="SEMVER")
    assert affects(entry, component("0.0.0-alpha", "npm"))
    assert not affects(entry, component("0.0.1", "npm"))


def test_a_version_that_cannot_be_ordered_is_found_in_lists_only() -> None:
    entry = ranged({"introduced": "0"}, versions=["2004d"])
    assert affects(entry, component("2004d"))
    assert not affects(entry, component("2004-zz"))


# On a machine with much else to do, making examples may be slow: that is no defect.
@given(
    bounds=st.lists(st.integers(1, 30), min_size=2, max_size=8, unique=True).filter(
        lambda bounds: len(bounds) % 2 == 0
    ),
    version=st.integers(0, 31),
    data=st.data(),
)
def test_the_order_of_events_does_not_matter(
    bounds: list[int], version: int, data: st.DataObject
) -> None:
    pairs = _pairs(sorted(bounds))
    events = [
        event
        for start, end in pairs
        for event in ({"introduced": f"1.{start}"}, {"fixed": f"1.{end}"})
    ]
    shuffled = data.draw(st.permutations(events))
    expected = any(start <= version < end for start, end in pairs)
    assert affects(ranged(*shuffled), component(f"1.{version}")) is expected


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_one_vulnerability_for_all_its_names() -> None:
    records = [
        record("PYSEC-1", "CVE-1", summary="The same."),
        record("GHSA-1", "CVE-1", database_specific={"severity": "LOW"}),
        record("GHSA-2", "PYSEC-2", database_specific={"severity": "HIGH"}),
        record("OTHER-1", "CVE-9", "GHSA-1"),  # joins through GHSA-1
    ]
    for order in itertools.permutations(records):
        found = match(component("1.0"), order)
        assert [(each.id, each.aliases, each.severity) for each in found] == [
            ("GHSA-1", ("CVE-1", "CVE-9", "OTHER-1", "PYSEC-1"), "LOW"),
            ("GHSA-2", ("PYSEC-2",), "HIGH"),
        ]
        assert found[0].summary == "The same."


def test_two_records_of_one_id_are_both_believed() -> None:
    older = record("A-1", database_specific={"severity": "CRITICAL"})
    newer = record("A-1", withdrawn="2026-01-01T00:00:00Z")
    (found,) = match(component("1.0"), [older, newer])
    assert found.severity == "CRITICAL"


def test_withdrawn_records_and_other_packages_hit_nothing() -> None:
    other = record("B-1")
    other["affected"][0]["package"] = {"ecosystem": "npm", "name": "tool"}
    commits = {"id": "C-1", "affected": [{"ranges": [{"type": "GIT", "events": []}]}]}
    withdrawn = record("A-1", withdrawn="2026-01-01T00:00:00Z")
    assert match(component("1.0"), [withdrawn, other, commits]) == ()


def test_fixes_are_those_above_in_their_order() -> None:
    entry = ranged(
        *({"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "1.3"}, {"fixed": "1.10"}),
        *({"introduced": "2.0"}, {"fixed": "2.1"}, {"fixed": "never"}),
    )
    (found,) = match(component("1.5"), [{"id": "A-1", "affected": [entry]}])
    assert found.fixed == ("1.10", "2.1")
    assert (found.package, found.summary) == ("tool@1.5", "")


@pytest.mark.parametrize(
    "broken",
    [
        {"affected": {}},
        {"affected": [None]},
        {"aliases": "CVE-1"},
        {"affected": [{"package": "tool"}]},
        {"affected": [ranged(versions="1.0")]},
        {"affected": [{**ranged(), "ranges": [{"type": "ECOSYSTEM", "events": ["0"]}]}]},
    ],
)
def test_a_record_that_is_not_as_the_schema_has_it_is_named(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the advisory X-1 has"):
        match(component("1.0"), [{**record("X-1"), **broken}])


def test_a_long_description_is_cut_to_one_line() -> None:
    (found,) = match(component("1.0"), [record("A-1", details="word\n\n" * 100)])
    assert len(found.summary) == 200
    assert found.summary.endswith("…")
    assert "\n" not in found.summary


# --- packages of an SBOM ----------------------------------------------------------------------


def package(*purls: str, **more: Any) -> dict[str, Any]:
    references = [{"referenceType": "purl", "referenceLocator": purl} for purl in purls]
    return {"name": "n", "externalRefs": references, **more}


@pytest.mark.parametrize(
    ("purl", "expected"),
    [
        ("pkg:pypi/Zope.Interface_x@1.0", ("PyPI", "zope-interface-x", "1.0")),
        ("pkg:pypi/torch@2.0%2Bcpu", ("PyPI", "torch", "2.0+cpu")),
        ("pkg:npm/%40Angular/core@17.0.0", ("npm", "@angular/core", "17.0.0")),
        ("pkg:npm/JSONStream@1.0.0", ("npm", "jsonstream", "1.0.0")),
        ("pkg:golang/github.com/Masterminds/x@v1.1", ("Go", "github.com/masterminds/x", "v1.1")),
        ("pkg:cargo/serde_json@1.0.1", ("crates.io", "serde_json", "1.0.1")),
        ("pkg:maven/org.a/b@1", ("Maven", "org.a:b", "1")),
        ("pkg:deb/debian/libc6@2.36?arch=amd64", ("Debian", "libc6", "2.36")),
        ("pkg:generic/thing@1", ("", "thing", "1")),
        ("pkg:pypi/tool", ("PyPI", "tool", "")),
        ("not a purl", ("", "", "")),
    ],
)
def test_package_urls(purl: str, expected: tuple[str, str, str]) -> None:
    (found,) = components_of({"packages": [package(purl)]})
    assert (found.ecosystem, found.name, found.version) == expected
    assert found.label == purl


def test_the_image_is_not_something_inside_it() -> None:
    document = {
        "packages": [
            package("pkg:oci/service@sha256%3Aaa", SPDXID="SPDXRef-Image"),
            {"SPDXID": "SPDXRef-Root", "name": "root"},
            {"SPDXID": "SPDXRef-Old", "name": "old"},
            {"SPDXID": "SPDXRef-Back", "name": "back"},
            {"SPDXID": "SPDXRef-Inside", "name": "inside"},
            {"SPDXID": "SPDXRef-Nameless"},
            package("pkg:pypi/own@1", SPDXID="SPDXRef-Own"),
        ],
        "documentDescribes": ["SPDXRef-Old", "SPDXRef-Own"],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-Root",
            },
            {
                "spdxElementId": "SPDXRef-Back",
                "relationshipType": "DESCRIBED_BY",
                "relatedSpdxElement": "SPDXRef-DOCUMENT",
            },
            {
                "spdxElementId": "SPDXRef-Root",
                "relationshipType": "CONTAINS",
                "relatedSpdxElement": "SPDXRef-Inside",
            },
        ],
    }
    labels = [each.label for each in components_of(document)]
    assert labels == ["inside", "SPDXRef-Nameless", "pkg:pypi/own@1"]


def test_a_version_beside_the_package_url_counts() -> None:
    document = {"packages": [package("pkg:pypi/tool", versionInfo="1.0"), package("pkg:pypi/tool")]}
    assert [each.version for each in components_of(document)] == ["1.0"]


@pytest.mark.parametrize("packages", [None, {}, ["x"]])
def test_an_sbom_without_a_list_of_packages(packages: Any) -> None:
    with pytest.raises(ValueError, match="no list of packages"):
        components_of({"packages": packages})
