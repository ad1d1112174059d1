package promotion_test

import data.lib_test as fixture
import data.promotion

limit(name, value) := fixture.set(fixture.promotion, sprintf("/evidence/canary/facts/limits/%s", [name]), value)

test_a_canary_keeps_to_the_limits if {
	every lax in [
		limit("error_rate_threshold", 5.1), limit("latency_p99_threshold_ms", 2001),
		limit("duration_seconds", 299.9), limit("traffic_percent", 6), limit("consecutive", 4),
		limit("error_rate_threshold", "5"), limit("duration_seconds", "long"),
	] {
		denied(lax) == {"promotion.canary-limits"}
	}
	every strict in [
		limit("error_rate_threshold", 1), limit("latency_p99_threshold_ms", 500),
		limit("duration_seconds", 3600), limit("traffic_percent", 0.5),
	] {
		denied(strict) == set()
	}
}

test_a_canary_that_does_not_say_its_limits_kept_none if {
	without("/evidence/canary/facts/limits") == {"promotion.canary-limits"}
	without("/evidence/canary/facts/limits/traffic_percent") == {"promotion.canary-limits"}
}

test_a_canary_is_watched_in_a_known_way if {
	every lax in [
		limit("rule", "flagger"), limit("rule", "yolo"), limit("limits", "none"), limit("profile", "deaf"),
		limit("steps", [100]), limit("steps", [5, 25, 50]), limit("steps", "5"),
		limit("warm_up_seconds", 61), limit("warm_up_seconds", -1), limit("warm_up_seconds", "long"),
	] {
		denied(lax) == {"promotion.canary-limits"}
	}
	every fine in [
		limit("rule", "mission"), limit("limits", "literal"), limit("profile", "noisy"),
		limit("steps", [5, 25, 50, 100]), limit("warm_up_seconds", 60), limit("warm_up_seconds", 0),
	] {
		denied(fine) == set()
	}
	every silent in ["rule", "limits", "profile", "steps", "warm_up_seconds"] {
		without(sprintf("/evidence/canary/facts/limits/%s", [silent])) == {"promotion.canary-limits"}
	}
}

test_a_refusal_says_which_ways_there_are if {
	some found in judged(limit("rule", "argo")).deny
	found.msg == `The canary was watched with rule argo; that has to be one of ["sequential", "mission"].`
	some long in judged(limit("warm_up_seconds", 600)).deny
	long.msg == "The canary was watched with warm_up_seconds 600; that has to be at most 60."
}

good_ways := {
	"rules": ["sequential"], "limits": ["corroborated"], "profiles": ["default"],
	"steps": [], "warm_up_seconds": 0,
}

test_ways_that_are_not_understood_are_nobodys if {
	every wrong in [
		null, {}, [], object.remove(good_ways, ["steps"]), object.union(good_ways, {"rules": "sequential"}),
		object.union(good_ways, {"warm_up_seconds": "0"}), object.union(good_ways, {"weathers": []}),
	] {
		not promotion.canary_ways_understood with data.promotion.canary_ways as wrong
	}
	denied(fixture.promotion) == set() with data.promotion.canary_ways as good_ways
	denied(limit("rule", "mission")) == {"promotion.canary-limits"} with data.promotion.canary_ways as good_ways
	denied(fixture.promotion) == {"promotion.canary-limits"} with data.promotion.canary_ways as {}
	without("/evidence/canary") == {"promotion.canary"} with data.promotion.canary_ways as {}
}

test_a_refusal_says_both_numbers if {
	some found in judged(limit("error_rate_threshold", 100)).deny
	found.msg == "The canary was watched with error_rate_threshold 100; that has to be at most 5."
	some short in judged(limit("duration_seconds", 6)).deny
	short.msg == "The canary was watched with duration_seconds 6; that has to be at least 300."
	some silent in judged(fixture.unset(fixture.promotion, "/evidence/canary/facts/limits")).deny
	contains(silent.msg, "(missing)")
}

test_a_rehearsal_only_says_it if {
	document := fixture.set(limit("duration_seconds", 6), "/rehearsal", true)
	denied(document) == set()
	warned(document) == {"promotion.canary-limits"}
	warned(limit("duration_seconds", 6)) == set()
}

test_limits_matter_where_a_canary_is_asked_for if {
	document := object.union(limit("duration_seconds", 6), {"source": "staging", "target": "canary"})
	denied(document) == set()
	warned(fixture.set(document, "/rehearsal", true)) == set()
	without("/evidence/canary") == {"promotion.canary"}
}

good_limits := {"consecutive": 3, "error_rate_percent": 5, "minutes": 5, "p99_ms": 2000, "traffic_percent": 5}

test_limits_that_are_not_understood_are_kept_by_nobody if {
	every wrong in [
		null, {}, [],
		object.remove(good_limits, ["minutes"]), object.union(good_limits, {"p99_ms": "2000"}),
		object.union(good_limits, {"p95_ms": 1}),
	] {
		not promotion.canary_limits_understood with data.promotion.canary_limits as wrong
	}
	promotion.canary_limits_understood with data.promotion.canary_limits as good_limits
	denied(fixture.promotion) == {"promotion.canary-limits"} with data.promotion.canary_limits as {}
	rehearsed := fixture.set(fixture.promotion, "/rehearsal", true)
	denied(rehearsed) == {"promotion.canary-limits"} with data.promotion.canary_limits as {}
	without("/evidence/canary") == {"promotion.canary"} with data.promotion.canary_limits as {}
}

test_limits_are_the_sites if {
	denied(limit("duration_seconds", 60)) == set() with data.promotion.canary_limits.minutes as 1
	denied(fixture.promotion) == {"promotion.canary-limits"} with data.promotion.canary_limits.error_rate_percent as 1
}
