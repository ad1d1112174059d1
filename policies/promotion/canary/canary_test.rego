package promotion_test

import data.lib_test as fixture

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
	every few in [0, -1, "50", 0.5] {
		some also in judged(fixture.promotion).deny with data.promotion.canary_minimum_requests as few
		contains(also.msg, "fewer than the (not set)")
	}
	some other in judged(fixture.promotion).deny with data.promotion.canary_max_age_hours as "week"
	contains(other.msg, "last (not set) hours")
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
