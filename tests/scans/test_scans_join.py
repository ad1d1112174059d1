"""Several scans become one report: nothing twice, nothing lost, nobody's silence taken for a yes."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.model import Status
from sluiceway.scans import Report, ecosystem_of, gaps_of, join, key_of, latest, packages_of

from .scans_kit import DIGEST, NOW, scan, vulnerability


def report(*scans, packages=("pkg:pypi/a@1",)) -> Report:
    return join(scans, packages, subject=DIGEST)


def ids(made: Report) -> list[tuple[str, tuple[str, ...]]]:
    return [(match.id, match.aliases) for match in made.vulnerabilities]


# --- packages ---


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pkg:pypi/Zope.Interface@1", "pkg:pypi/zope-interface@1?file_name=x#sub"),
        ("pkg:npm/%40Scope/A@1", "pkg:npm/%40scope/a@1"),
        (
            "pkg:deb/debian/git@1:2.39-0?arch=amd64&distro=debian-12",
            "pkg:deb/debian/git@2.39-0?distro=debian-12.1&epoch=1",
        ),
        ("pkg:rpm/fedora/a@1-2?epoch=0", "pkg:rpm/fedora/a@1-2"),
        ("pkg:golang/example.com/M@v1.2.3", "pkg:golang/example.com/m@1.2.3"),
        (" a name ", "a name"),
    ],
)
def test_one_package_under_two_spellings(one, other):
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pkg:pypi/a@1", "pkg:npm/a@1"),
        ("pkg:pypi/a@1", "pkg:pypi/a@1.0"),
        ("pkg:npm/%40s/a@1", "pkg:npm/a@1"),
        ("pkg:deb/debian/a@1", "pkg:deb/ubuntu/a@1"),
        ("pkg:golang/v@v1", "pkg:golang/v@v2"),
    ],
)
def test_two_packages_stay_two(one, other):
    assert key_of(one) != key_of(other)


def test_the_ecosystem_is_the_type_of_the_package_url():
    assert ecosystem_of("pkg:deb/debian/a@1") == "deb"
    assert ecosystem_of("a thing") == "unknown"


# --- names ---


def test_one_vulnerability_of_three_scanners_is_one():
    made = report(
        scan("a", vulnerability("PYSEC-1", "GHSA-1", severity="UNKNOWN", fixed=("2",))),
        scan("b", vulnerability("CVE-1", severity="LOW", fixed=("2", "3"), source="https://b")),
        scan("c", vulnerability("GHSA-1", "CVE-1", severity="moderate", summary="Bad.")),
    )
    (match,) = made.vulnerabilities
    assert (match.id, match.aliases) == ("CVE-1", ("GHSA-1", "PYSEC-1"))
    assert match.severity == "LOW"  # "moderate" is nobody's level here
    assert match.fixed == ("2", "3")
    assert (match.summary, match.sources) == ("Bad.", ("https://b",))
    assert match.found_by == ("a", "b", "c")
    assert match.installed == "1"
    assert made.counts == {"CRITICAL": 0, "HIGH": 0, "MEDIUM": 0, "LOW": 1, "UNKNOWN": 0}


def test_nobody_knows_how_bad_it_is():
    made = report(scan("a", vulnerability("CVE-1", severity="UNKNOWN")))
    assert made.counts["UNKNOWN"] == 1


def test_the_same_advisory_of_two_packages_or_versions_is_two():
    made = report(
        scan(
            "a",
            *(vulnerability("CVE-1", package=f"pkg:pypi/{name}") for name in ("a@1", "a@2", "b@1")),
        )
    )
    assert [match.package for match in made.vulnerabilities] == [
        "pkg:pypi/a@1",
        "pkg:pypi/a@2",
        "pkg:pypi/b@1",
    ]


def test_a_group_with_two_cve_numbers_is_two_vulnerabilities():
    made = report(
        scan(
            "a",
            vulnerability("GHSA-1", "CVE-1", severity="CRITICAL"),
            vulnerability("GHSA-2", "CVE-1", "CVE-2", severity="LOW", fixed=("9",)),
            vulnerability("PYSEC-1", "GHSA-1"),
        )
    )
    assert ids(made) == [("CVE-1", ("GHSA-1", "GHSA-2", "PYSEC-1")), ("CVE-2", ("GHSA-2",))]
    assert [match.severity for match in made.vulnerabilities] == ["CRITICAL", "LOW"]


def test_a_number_that_is_the_alias_of_another_number_is_kept_apart():
    made = report(scan("a", vulnerability("CVE-2", "CVE-1", severity="HIGH")))
    assert ids(made) == [("CVE-1", ()), ("CVE-2", ())]
    assert made.counts["HIGH"] == 2


NAMES = ("CVE-1", "CVE-2", "GHSA-1", "GHSA-2", "PYSEC-1", "X-1")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.lists(st.sampled_from(NAMES), max_size=3, unique=True),
            st.sampled_from(["CRITICAL", "LOW", "UNKNOWN", "odd"]),
        ),
        max_size=6,
    )
)
def test_no_name_and_no_severity_is_lost_in_any_order(told):
    found = [vulnerability(name, *aliases, severity=level) for name, aliases, level in told]
    made = report(scan("a", *found))
    said = {name for each in found for name in (each.id, *each.aliases)}
    kept = {name for match in made.vulnerabilities for name in (match.id, *match.aliases)}
    assert kept == said
    for match in made.vulnerabilities:
        numbers = [name for name in (match.id, *match.aliases) if name.startswith("CVE-")]
        assert len(numbers) <= 1
    assert ("CRITICAL" in {level for *_, level in told}) == (made.counts["CRITICAL"] > 0)
    assert sum(made.counts.values()) == len(made.vulnerabilities)
    again = report(scan("a", *reversed(found)))
    assert ids(again) == ids(made)


def test_the_order_of_the_scanners_changes_nothing():
    scans = [
        scan("a", vulnerability("GHSA-1", "CVE-1", fixed=("3",), summary="A.")),
        scan("b", vulnerability("CVE-1", fixed=("2",), package="pkg:pypi/A@1")),
        scan("c", status=Status.NO_DATA, uncovered=("pkg:pypi/a@1",)),
    ]
    made = {repr(report(*order)) for order in itertools.permutations(scans)}
    assert len(made) == 1


def test_the_worst_comes_first_and_unknown_before_what_is_known_to_be_mild():
    levels = ["LOW", "UNKNOWN", "CRITICAL", "MEDIUM", "HIGH"]
    made = report(
        scan("a", *(vulnerability(f"CVE-{n}", severity=each) for n, each in enumerate(levels)))
    )
    assert [match.severity for match in made.vulnerabilities] == [
        "CRITICAL",
        "HIGH",
        "UNKNOWN",
        "MEDIUM",
        "LOW",
    ]


# --- status, coverage, age ---


def test_the_status_is_the_worst_and_none_at_all_is_no_data():
    assert report().status is Status.NO_DATA
    assert not report().clean
    assert report(scan("a")).clean
    assert report(scan("a"), scan("b", status=Status.NO_DATA)).status is Status.NO_DATA
    both = report(scan("a", status=Status.ERROR), scan("b", made_at=NOW - timedelta(days=2)))
    assert both.status is Status.ERROR
    assert both.scanned_at == NOW - timedelta(days=2)


PACKAGES = ("pkg:pypi/a@1", "pkg:npm/b@1", "pkg:deb/debian/c@1?arch=amd64")


def test_a_package_is_covered_by_whoever_judged_it():
    made = report(
        scan("a", uncovered=("pkg:npm/b@1", "pkg:deb/debian/c@1")),
        scan("b", uncovered=("pkg:pypi/a@1", "pkg:deb/debian/c@1?distro=x")),
        packages=PACKAGES,
    )
    assert made.uncovered == ("pkg:deb/debian/c@1?arch=amd64",)
    assert made.coverage == {
        "deb": {"packages": 1, "judged": 0},
        "npm": {"packages": 1, "judged": 1},
        "pypi": {"packages": 1, "judged": 1},
    }


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.OK])
def test_a_scan_that_was_not_completed_judged_nothing(status):
    made = report(scan("a", status=status), packages=PACKAGES)
    assert len(made.uncovered) == 3
    alone = report(scan("a", uncovered=PACKAGES), scan("b", status=status), packages=PACKAGES)
    assert len(alone.uncovered) == 3


def test_what_a_scanner_saw_beyond_the_inventory_is_not_judged_by_another_ones_silence():
    made = report(scan("a"), scan("b", uncovered=("pkg:rpm/x@1",)))
    assert made.uncovered == ("pkg:rpm/x@1",)
    assert made.coverage["rpm"] == {"packages": 1, "judged": 0}


def test_without_an_inventory_coverage_is_not_known():
    made = report(scan("a", vulnerability("CVE-1"), uncovered=("x",)), packages=None)
    assert made.coverage == {}
    assert made.uncovered == ("x",)


def test_a_package_of_a_vulnerability_is_of_a_known_ecosystem():
    made = report(scan("a", vulnerability("CVE-1", package="pkg:gem/g@1")), packages=())
    assert made.coverage == {"gem": {"packages": 1, "judged": 1}}


def test_the_label_is_the_inventorys():
    found = vulnerability("CVE-1", package="pkg:deb/debian/c@1?distro=d")
    assert report(scan("a", found), packages=PACKAGES).vulnerabilities[0].package == PACKAGES[2]


def test_how_old_each_database_was_at_the_scan():
    made = report(
        scan("b"), scan("a", database={"newest": None}), scan("c", database={"newest": 7})
    )
    assert [(each.tool, each.age_days) for each in made.scanners] == [
        ("a", None),
        ("b", 4.0),
        ("c", None),
    ]


def test_the_newest_scan_counts_whatever_it_says():
    old, new = scan("a"), scan("a", status=Status.ERROR, made_at=NOW + timedelta(hours=1))
    assert latest([("a", new), ("a", old)]) == (new,)
    assert latest([("a", old), ("a", new)]) == (new,)
    tie = scan("a", status=Status.ERROR)
    assert latest([("a", tie), ("a", old)]) == latest([("a", old), ("a", tie)]) == (tie,)
    assert latest([("b", old), ("a", new)]) == (new, old)


# --- the inventory ---


def test_what_is_inside_an_inventory():
    def at(purl: str) -> dict[str, object]:
        return {"externalRefs": [{"referenceType": "purl", "referenceLocator": purl}, 7]}

    document = {
        "packages": [
            {"SPDXID": "R", "name": "image"},
            {"SPDXID": "P", **at("pkg:oci/x@1")},
            {"SPDXID": "A", **at("pkg:pypi/a@1")},
            {"SPDXID": "B", "name": "binary", "externalRefs": "odd"},
            {"SPDXID": "C"},
        ],
        "relationships": [{"relationshipType": "DESCRIBES", "relatedSpdxElement": "R"}],
        "annotations": [{"comment": "not inventoried: z"}, {"comment": "x"}, {}, "odd"],
    }
    assert packages_of(document) == ("pkg:pypi/a@1", "binary", "C")
    assert gaps_of(document) == ("z",)
    assert packages_of({}) == packages_of({"packages": 7}) == gaps_of({"annotations": 7}) == ()
