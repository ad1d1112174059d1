package promotion_test

import data.lib_test as fixture
import data.promotion

soaking(hours) := object.union(data.promotion.paths, {"canary": {"production": {"soak_hours": hours}}})

soak_refused(hours, since) if {
	document := fixture.set(fixture.promotion, "/source_since", since)
	denied(document) == {"promotion.soak"} with data.promotion.paths as soaking(hours)
}

soak_passes(hours, since) if {
	document := fixture.set(fixture.promotion, "/source_since", since)
	denied(document) == set() with data.promotion.paths as soaking(hours)
}

test_the_time_is_kept_to_the_second if {
	soak_passes(24, "2026-11-23T12:00:00Z")
	soak_refused(24, "2026-11-23T12:00:01Z")
	soak_passes(0.5, "2026-11-24T11:30:00Z")
	soak_refused(0.5, "2026-11-24T11:30:01Z")
	soak_refused(1, "2026-11-25T11:30:01Z")
}

test_an_arrival_that_nobody_knows_is_refused_only_where_time_is_asked_for if {
	soak_refused(24, null)
	soak_passes(0, null)
	without("/source_since") == set()
	denied(fixture.unset(fixture.promotion, "/source_since")) == {"promotion.soak"} with data.promotion.paths as soaking(24)
}

test_hours_that_are_none if {
	every wrong in [null, "24", true, -1, []] {
		soak_refused(wrong, "2026-11-01T00:00:00Z")
	}
}

soak_said(hours, since) := found.msg if {
	document := fixture.set(fixture.promotion, "/source_since", since)
	some found in promotion.decision.deny with input as document
		with data.promotion.people as fixture.people
		with data.promotion.paths as soaking(hours)
}

test_a_refusal_says_how_long_still if {
	soak_said(24, "2026-11-23T14:09:01Z") == concat("", [
		"canary takes 24 hours of an image before it goes to production; ",
		"it came at 2026-11-23T14:09:01Z, so 2 h 10 min more.",
	])
	endswith(soak_said(24, "2026-11-23T12:00:01Z"), "so 0 h 1 min more.")
	endswith(soak_said(24, null), "since when it is there is not known.")
	endswith(soak_said("a day", null), "that is not a number of hours.")
	endswith(soak_said(-1, null), "that is not a number of hours.")
}
