package promotion_test

import data.lib_test as fixture
import data.promotion

judged(document) := result if {
	result := promotion.decision with input as document with data.promotion.people as fixture.people
}

denied(document) := fixture.codes(judged(document).deny)

warned(document) := fixture.codes(judged(document).warn)

changed(path, value) := denied(fixture.set(fixture.promotion, path, value))

without(path) := denied(fixture.unset(fixture.promotion, path))

going(source, target, name) := object.union(
	object.remove(fixture.promotion, ["approvals"]),
	{"source": source, "target": target, "actor": {"name": name}, "approvals": []},
)

test_a_good_promotion_passes if {
	judged(fixture.promotion) == {"deny": set(), "warn": set(), "waivers": {"objections": {}, "warn": set()}}
}

test_the_whole_path if {
	denied(going("build", "dev", "robot")) == set()
	denied(going("dev", "staging", "anna")) == set()
	denied(going("staging", "canary", "tom")) == set()
	denied(going("canary", "production", "tom")) == {"promotion.approval"}
}

test_no_other_path if {
	every way in [
		["dev", "canary"], ["dev", "production"], ["staging", "production"], ["staging", "dev"],
		["production", "canary"], ["dev", "dev"], ["build", "production"],
	] {
		"promotion.path" in denied(going(way[0], way[1], "tom"))
	}
}

test_a_closed_path if {
	closed := {"canary": {"production": null}}
	"promotion.path" in denied(fixture.promotion) with data.promotion.paths as closed
}

test_the_path_says_where_to_go if {
	some found in judged(going("dev", "production", "anna")).deny
	found.msg == "There is no path from dev to production; from dev an image goes to staging."
}

test_unknown_environments if {
	some found in judged(going("dev", "stagign", "anna")).deny
	found.msg == "There is no environment stagign; this service has dev, staging, canary, production."
	"promotion.path" in denied(going("nowhere", "staging", "anna"))
	without("/environments") == {"promotion.path"}
}

test_roles if {
	denied(going("build", "dev", "anna")) == {"promotion.role"}
	denied(going("dev", "staging", "robot")) == {"promotion.role"}
	denied(going("staging", "canary", "anna")) == {"promotion.role"}
	changed("/actor/name", "rita") == {"promotion.approval", "promotion.role"}
	changed("/actor/name", "mallory") == {"promotion.role"}
	without("/actor/name") == {"promotion.approval", "promotion.role"}
}

test_a_role_refusal_says_who_and_what_it_takes if {
	some found in judged(going("staging", "canary", "anna")).deny
	found.msg == "anna (developer) may not promote from staging to canary; that takes the role tech-lead."
	some nobody in judged(going("staging", "canary", "mallory")).deny
	startswith(nobody.msg, "mallory (no role) may not")
}

test_unproven if {
	changed("/actor/proven", false) == {"identity.unproven"}
	without("/actor/proven") == {"identity.unproven"}
}

test_rehearsal_accepts_and_says_so if {
	rehearsed := fixture.set(fixture.set(fixture.promotion, "/actor/proven", false), "/rehearsal", true)
	denied(rehearsed) == set()
	warned(rehearsed) == {"identity.rehearsal"}
}

test_source_moved if {
	changed("/source_holds", fixture.other) == {"promotion.source"}
	changed("/source_holds", null) == {"promotion.source"}
	without("/source_holds") == {"promotion.source"}
}

test_noop_warns if {
	document := fixture.set(fixture.promotion, "/target_holds", fixture.digest)
	warned(document) == {"promotion.noop"}
	every finding in judged(document).warn {
		contains(finding.solution, "started again")
	}
}

approval(path, value) := changed(concat("", ["/approvals/0", path]), value)

test_approvals_that_do_not_count if {
	every bad in [
		approval("/valid", false), approval("/approver/proven", false),
		approval("/approver/name", "anna"), approval("/approver/name", "tom"),
		approval("/approver/key", "SHA256:tom"), approval("/approver/name", "robot"),
		approval("/digest", fixture.other), approval("/source", "staging"),
		approval("/target", "canary"), approval("/expires", "2026-11-24T12:00:00Z"),
		approval("/made_at", "2026-11-24T13:00:00Z"), changed("/builder", "rita"),
		changed("/approvals", []),
	] {
		bad == {"promotion.approval"}
	}
}

test_what_an_approval_lacks_counts_against_it if {
	every path in [
		"valid", "approver", "approver/proven", "approver/name", "approver/key",
		"digest", "source", "target", "expires", "made_at",
	] {
		without(sprintf("/approvals/0/%s", [path])) == {"promotion.approval"}
	}
	without("/approvals") == {"promotion.approval"}
	without("/builder") == {"promotion.approval"}
}

test_the_refusal_says_why_each_does_not_count if {
	document := fixture.set(fixture.promotion, "/approvals/0/approver/name", "tom")
	some found in judged(document).deny
	found.msg == concat("", [
		"Going from canary to production takes 1 approval(s) by tech-lead or release-manager, ",
		"and 0 count (tom: the person asks for it).",
	])
	contains(found.solution, sprintf("invoke approve --digest=%s --to=production", [fixture.digest]))
}

test_an_unreadable_approval_does_not_count_and_breaks_nothing if {
	broken := object.union(fixture.promotion.approvals[0], {"valid": false, "expires": "", "problem": "torn"})
	some found in judged(fixture.set(fixture.promotion, "/approvals", [broken])).deny
	contains(found.msg, "the statement is not valid (torn)")
	denied(fixture.set(fixture.promotion, "/approvals/1", broken)) == set()
}

test_one_person_counts_once if {
	rita := fixture.promotion.approvals[0]
	tess := object.union(rita, {"approver": {"name": "tess", "key": "SHA256:tess"}})
	twice := fixture.set(fixture.promotion, "/approvals", [rita, rita])
	two := fixture.set(fixture.promotion, "/approvals", [rita, tess])
	two_needed := object.union(data.promotion.paths, {"canary": {"production": {"approvals": 2}}})
	denied(twice) == {"promotion.approval"} with data.promotion.paths as two_needed
	denied(two) == set() with data.promotion.paths as two_needed
}

test_in_a_rehearsal_an_unproven_approval_counts if {
	document := fixture.set(fixture.promotion, "/approvals/0/approver/proven", false)
	denied(fixture.set(document, "/rehearsal", true)) == set()
	keyless := fixture.set(fixture.set(document, "/approvals/0/approver/key", ""), "/actor/key", "")
	denied(fixture.set(keyless, "/rehearsal", true)) == set()
}

test_unknown_builder_is_refused_where_somebody_has_to_consent if {
	changed("/builder", "") == {"promotion.builder-unknown"}
}

test_a_row_that_says_little_demands_much if {
	row := {"staging": {"canary": {"roles": ["tech-lead"]}}}
	document := fixture.unset(going("staging", "canary", "tom"), "/evidence/smoke")
	wanted := {"promotion.approval", "promotion.canary", "gate.smoke"}
	denied(document) == wanted with data.promotion.paths as row
}

test_canary if {
	without("/evidence/canary") == {"promotion.canary"}
	changed("/evidence/canary/status", "inconclusive") == {"promotion.canary"}
	changed("/evidence/canary/subject", fixture.other) == {"promotion.canary"}
	changed("/evidence/canary/facts/verdict", "fail") == {"promotion.canary"}
	changed("/evidence/canary/facts/environment", "staging") == {"promotion.canary"}
	changed("/evidence/canary/facts/requests", 49) == {"promotion.canary"}
	changed("/evidence/canary/made_at", "2026-11-01T00:00:00Z") == {"promotion.canary"}
	without("/evidence/canary/facts/requests") == {"promotion.canary"}
	without("/evidence/canary/made_at") == {"promotion.canary"}
}

test_canary_without_settings_is_refused_and_says_so if {
	some found in judged(fixture.promotion).deny with data.promotion.canary_minimum_requests as null
	contains(found.msg, "fewer than the (not set)")
	some other in judged(fixture.promotion).deny with data.promotion.canary_max_age_hours as "week"
	contains(other.msg, "last (not set) hours")
}

test_smoke if {
	without("/evidence/smoke") == {"gate.smoke"}
	changed("/evidence/smoke/status", "failed") == {"gate.smoke"}
	changed("/evidence/smoke/status", "no-data") == {"gate.smoke"}
	changed("/evidence/smoke/subject", fixture.other) == {"gate.smoke"}
	changed("/evidence/smoke/facts/checks", []) == {"gate.smoke"}
	changed("/evidence/smoke/facts/checks/0/status", "failed") == {"gate.smoke"}
	without("/evidence/smoke/facts/checks") == {"gate.smoke"}
}

test_smoke_says_how_an_instance_comes_back if {
	some finding in judged(fixture.unset(fixture.promotion, "/evidence/smoke")).deny
	contains(finding.solution, "into canary again")
	contains(finding.solution, "`invoke canary`")
}

test_smoke_is_not_asked_from_a_build_but_heard if {
	built := going("build", "dev", "robot")
	denied(fixture.unset(built, "/evidence/smoke")) == set()
	denied(fixture.set(built, "/evidence/smoke/status", "no-data")) == set()
	denied(fixture.set(built, "/evidence/smoke/status", "failed")) == {"gate.smoke"}
}

test_contract_is_optional_but_heard if {
	good := fixture.evidence("contract", fixture.checks)
	changed("/evidence/contract", good) == set()
	changed("/evidence/contract", object.union(good, {"status": "failed"})) == {"gate.contract"}
	changed("/evidence/contract", object.union(good, {"subject": fixture.other})) == {"gate.contract"}
}

test_contract_can_be_demanded if {
	demanding := object.union(
		data.promotion.paths,
		{"canary": {"production": {"evidence": ["smoke", "contract", "migrations"]}}},
	)
	denied(fixture.promotion) == {"gate.contract", "gate.evidence"} with data.promotion.paths as demanding
}

test_any_other_evidence if {
	good := fixture.evidence("migrations", {})
	changed("/evidence/migrations", good) == set()
	changed("/evidence/migrations", object.union(good, {"subject": fixture.other})) == {"gate.evidence"}
	every status in ["failed", "error", "no-data", "inconclusive"] {
		changed("/evidence/migrations", object.union(good, {"status": status})) == {"gate.evidence"}
	}
}

test_the_image_is_judged_too if {
	without("/evidence/signature") == {"image.signature"}
	without("/evidence/scan") == {"image.scan-missing"}
	warned(fixture.set(fixture.promotion, "/evidence/scan/facts/uncovered", ["x"])) == {"image.uncovered"}
}

test_without_data_nothing_goes if {
	denied({}) == {
		"identity.unproven", "image.sbom", "image.scan-missing", "image.signature",
		"promotion.path", "promotion.source",
	}
}
