package image_test

import data.image
import data.lib_test as fixture

judged(document) := result if result := image.decision with input as document

denied(document) := fixture.codes(judged(document).deny)

changed(path, value) := denied(fixture.set(fixture.image, path, value))

without(path) := denied(fixture.unset(fixture.image, path))

messages(document) := concat(" ", [found.msg | some found in judged(document).deny])

test_a_good_image_passes if {
	image.decision == {"deny": set(), "warn": set(), "waivers": {"objections": {}, "warn": set()}} with input as fixture.image
}

test_nothing_known_denies_everything if {
	denied({}) == {"image.sbom", "image.scan-missing", "image.signature"}
}

test_unsigned if {
	without("/evidence/signature") == {"image.signature"}
	changed("/evidence/signature/status", "failed") == {"image.signature"}
	changed("/evidence/signature/facts/verified", 0) == {"image.signature"}
	without("/evidence/signature/facts") == {"image.signature"}
}

test_a_refusal_names_the_digest_and_the_command if {
	some found in image.decision.deny with input as fixture.unset(fixture.image, "/evidence/signature")
	contains(found.msg, fixture.digest)
	contains(found.solution, "invoke sign")
	contains(found.solution, fixture.digest)
	found.waivable == false
}

test_signature_of_another_image if {
	changed("/evidence/signature/subject", fixture.other) == {"image.signature-subject"}
	without("/evidence/signature/subject") == {"image.signature-subject"}
}

test_sbom if {
	without("/evidence/sbom") == {"image.sbom"}
	changed("/evidence/sbom/status", "error") == {"image.sbom"}
	changed("/evidence/sbom/subject", fixture.other) == {"image.sbom"}
	changed("/evidence/sbom/facts/attested", false) == {"image.sbom"}
	without("/evidence/sbom/facts/attested") == {"image.sbom"}
}

test_scan_missing if {
	without("/evidence/scan") == {"image.scan-missing"}
	changed("/evidence/scan/status", "error") == {"image.scan-missing"}
	changed("/evidence/scan/subject", fixture.other) == {"image.scan-missing"}
	changed("/evidence/scan/facts/attested", false) == {"image.scan-missing"}
}

test_not_scanned_has_a_code_of_its_own if {
	changed("/evidence/scan/status", "no-data") == {"image.scan-unscanned"}
	changed("/evidence/scan/facts/scanned", false) == {"image.scan-unscanned"}
	changed("/evidence/scan/facts/scanners/0/database/advisories", 0) == {"image.scan-unscanned"}
	without("/evidence/scan/facts/scanners/0/database/advisories") == {"image.scan-unscanned"}
	changed("/evidence/scan/facts/scanners", []) == {"image.scan-unscanned"}
	without("/evidence/scan/facts/scanners") == {"image.scan-unscanned"}
}

test_a_service_does_not_say_how_many_advisories_it_knows if {
	changed("/evidence/scan/facts/scanners/0/database/advisories", null) == set()
}

test_stale_scan if {
	changed("/evidence/scan/facts/scanned_at", "2026-11-23T11:59:59Z") == {"image.scan-stale"}
	changed("/evidence/scan/facts/scanned_at", "2026-11-25T12:00:00Z") == {"image.scan-stale"}
	without("/evidence/scan/facts/scanned_at") == {"image.scan-stale"}
	denied(fixture.image) == {"image.scan-stale"} with data.image.scan_max_age_hours as "soon"
}

test_without_settings_nothing_is_recent_and_it_is_said if {
	wanted := {"image.scan-stale", "image.database-stale"}
	denied(fixture.image) == wanted with data.image.scan_max_age_hours as null
		with data.image.database_max_age_days as null
	contains(messages(fixture.image), "last (not set) days") with data.image.database_max_age_days as "7"
	contains(messages(fixture.image), "last (not set) hours") with data.image.scan_max_age_hours as "7"
}

test_the_scan_of_every_scanner_is_dated_rightly if {
	every moment in ["2026-11-23T11:59:59Z", "2029-05-13T12:00:00Z", 7, null] {
		denied(second_scanner({"scanned_at": moment})) == {"image.scan-stale"}
		changed("/evidence/scan/facts/scanned_at", moment) == {"image.scan-stale"}
	}
	without("/evidence/scan/facts/scanners/0/scanned_at") == {"image.scan-stale"}
	denied(second_scanner({"scanned_at": "2026-11-24T11:00:00Z"})) == set()
}

newest := "/evidence/scan/facts/scanners/0/database/newest"

test_stale_database if {
	changed(newest, "2016-01-01T00:00:00Z") == {"image.database-stale"}
	without(newest) == {"image.database-stale"}
	denied(fixture.image) == {"image.database-stale"} with data.image.database_max_age_days as 7
}

test_a_database_without_a_date_is_refused_unless_its_scanner_is_listed if {
	changed(newest, null) == {"image.database-stale"}
	changed(newest, null) == set() with data.image.undated_databases as ["osv"]
	changed(newest, null) == {"image.database-stale"} with data.image.undated_databases as ["other"]
	without(newest) == {"image.database-stale"} with data.image.undated_databases as ["osv"]
}

second_scanner(change) := fixture.set(
	fixture.image, "/evidence/scan/facts/scanners/-",
	object.union(
		object.union(fixture.image.evidence.scan.facts.scanners[0], {"tool": "second", "plugin": "scan-second"}),
		change,
	),
)

test_every_database_is_judged_and_not_only_the_first if {
	denied(second_scanner({})) == set()
	stale := second_scanner({"database": {"newest": "2016-01-01T00:00:00Z"}})
	denied(stale) == {"image.database-stale"}
	some found in image.decision.deny with input as stale
	found.about == "second"
	denied(second_scanner({"database": {"advisories": 0}})) == {"image.scan-unscanned"}
}

vulnerable(severity, fixed) := object.union(
	fixture.image,
	{"evidence": {"scan": {"facts": {
		"counts": object.union({"MEDIUM": 0}, {severity: 1}),
		"vulnerabilities": [{
			"id": "GHSA-9",
			"package": "pkg:pypi/b@2",
			"ecosystem": "pypi",
			"severity": severity,
			"fixed": fixed,
			"summary": "Bad.",
		}],
	}}}},
)

test_serious_vulnerabilities if {
	every severity in ["CRITICAL", "HIGH", "UNKNOWN"] {
		denied(vulnerable(severity, [])) == {"image.vulnerability"}
	}
	every severity in ["MEDIUM", "LOW"] {
		denied(vulnerable(severity, [])) == set()
	}
}

test_an_unlisted_severity_or_no_setting_is_serious if {
	denied(vulnerable("MEDIUM", [])) == {"image.vulnerability"} with data.image.tolerated_severities as []
	"image.vulnerability" in changed("/evidence/scan/facts/vulnerabilities/0", {})
}

test_a_severity_by_another_name_is_serious_and_counts_as_unknown if {
	renamed := fixture.set(vulnerable("UNKNOWN", []), "/evidence/scan/facts/vulnerabilities/0/severity", "BAD")
	denied(renamed) == {"image.vulnerability"}
}

test_a_vulnerability_says_what_and_where_and_what_fixes_it if {
	some found in image.decision.deny with input as vulnerable("CRITICAL", ["2.1", "3.0"])
	found.aliases == []
	found.msg == "GHSA-9 in pkg:pypi/b@2 is CRITICAL: Bad. It is fixed in 2.1, 3.0."
	found.about == "GHSA-9"
	contains(messages(vulnerable("HIGH", [])), "No version that fixes it is known.")
}

test_lost_vulnerabilities if {
	changed("/evidence/scan/facts/vulnerabilities", []) == {"image.scan-inconsistent"}
	changed("/evidence/scan/facts/counts/CRITICAL", 1) == {"image.scan-inconsistent"}
	without("/evidence/scan/facts/counts/HIGH") == {"image.scan-inconsistent"}
	changed("/evidence/scan/facts/uncovered", ["pkg:pypi/c@1"]) == {"image.scan-inconsistent"}
	changed("/evidence/scan/facts/coverage/pypi/judged", 2) == {"image.scan-inconsistent"}
	without("/evidence/scan/facts/coverage/pypi") == {"image.scan-inconsistent"}
	without("/evidence/scan/facts/coverage") == {"image.scan-inconsistent"}
	without("/evidence/scan/facts/vulnerabilities") == {"image.scan-inconsistent"}
}

# --- names of one vulnerability ---

named_so(vulnerabilities) := object.union(fixture.image, {"evidence": {"scan": {"facts": {
	"counts": {"MEDIUM": 0, "HIGH": count(vulnerabilities)},
	"vulnerabilities": [object.union(
		{"package": "pkg:pypi/b@2", "ecosystem": "pypi", "severity": "HIGH", "fixed": [], "summary": "Bad."},
		each,
	) |
		some each in vulnerabilities
	],
}}}})

names(vulnerabilities) := {found.about: {alias | some alias in found.aliases} |
	some found in image.decision.deny with input as named_so(vulnerabilities)
}

test_a_waiver_may_use_the_aliases_that_are_the_vulnerabilitys_own if {
	names([{"id": "CVE-1", "aliases": ["GHSA-1", "GHSA-2"], "own_aliases": ["GHSA-1"]}]) == {"CVE-1": {"GHSA-1"}}
	names([{"id": "CVE-1", "aliases": ["GHSA-1"]}]) == {"CVE-1": set()}
}
