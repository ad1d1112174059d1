package promotion_test

import data.lib_test as fixture

approval(path, value) := changed(concat("", ["/approvals/0", path]), value)

test_approvals_that_do_not_count if {
	every bad in [
		approval("/valid", false), approval("/problem", "torn"), approval("/approver/proven", false),
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
		"digest", "source", "target", "expires", "made_at", "problem",
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

test_fewer_than_none_is_no_number_of_people if {
	nobody := fixture.set(fixture.promotion, "/approvals", [])
	every number, refused in {"0": set(), "-1": {"promotion.approval"}} {
		paths := object.union(
			data.promotion.paths,
			{"canary": {"production": {"approvals": to_number(number)}}},
		)
		denied(nobody) == refused with data.promotion.paths as paths
	}
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

test_without_approvals_no_reasons_are_listed if {
	some found in judged(fixture.set(fixture.promotion, "/approvals", [])).deny
	endswith(found.msg, "by tech-lead or release-manager, and 0 count.")
}

test_an_unknown_builder_matters_only_where_somebody_has_to_consent if {
	denied(fixture.set(going("dev", "staging", "anna"), "/builder", "")) == set()
}

test_a_clock_may_be_ahead_by_exactly_the_minutes_allowed if {
	changed("/approvals/0/made_at", "2026-11-24T12:05:00Z") == set()
	changed("/approvals/0/made_at", "2026-11-24T12:05:01Z") == {"promotion.approval"}
}

# Nobody vouches for the name, the times or the way that it gives.
test_of_one_that_is_not_valid_nothing_else_is_said if {
	unknown := {"name": "", "method": "", "proven": false, "key": ""}
	document := fixture.set(fixture.promotion, "/approvals", [{
		"approver": unknown, "digest": "", "source": "", "target": "", "made_at": "", "expires": "",
		"policy_digest": "", "verdict": "approved", "valid": false, "problem": "torn",
	}])
	contains(said(document), "(somebody: the statement is not valid (torn))")
	nobody := fixture.set(document, "/actor", object.union(document.actor, unknown))
	contains(said(nobody), "(somebody: the statement is not valid (torn))")
}
