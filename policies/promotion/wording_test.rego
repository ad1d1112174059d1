package promotion_test

import data.lib_test as fixture
import data.promotion

said(document) := concat(" ", [found.msg | some found in judged(document).deny])

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

test_a_canary_is_told_what_it_lacks if {
	contains(
		said(fixture.set(fixture.promotion, "/evidence/canary/facts/requests", 12)),
		"passed on 12 requests, fewer than the 50 that",
	)
	contains(
		said(fixture.set(fixture.promotion, "/evidence/canary/made_at", "2026-11-01T00:00:00Z")),
		"not within the last 168 hours",
	)
}

test_a_source_with_no_way_on_says_so if {
	some found in judged(fixture.promotion).deny with data.promotion.paths as {"canary": {}}
	found.msg == "There is no path from canary to production; nothing goes on from canary."
}

test_a_person_without_roles_has_no_role if {
	nobody := object.union(fixture.people, {"anna": []})
	some found in promotion.decision.deny with input as going("dev", "staging", "anna")
		with data.promotion.people as nobody
	startswith(found.msg, "anna (no role) may not")
}
