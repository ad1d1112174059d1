package canary_test

import data.lib_test as fixture

safe(stream, value) := {sprintf("/watch/sequential/safe/%s", [stream]): value}

test_without_a_certificate_the_watch_is_extended_and_then_taken_back if {
	every stream in {"errors", "latency"} {
		after(safe(stream, 20))[0] == "promote"
		after(safe(stream, 19.9)) == ["extend", "running", {"canary.uncertified"}]
		late := object.union(safe(stream, 19.9), {"/watch/step_seconds": 900})
		after(late) == ["rollback", "inconclusive", {"canary.uncertified"}]
		after(object.union(safe(stream, 1), watching))[2] == {"canary.watching"}
		after(object.union(safe(stream, 1), rule("mission")))[0] == "promote"
	}
	contains(message(safe("errors", 3)), " after 750 requests: evidence 3 of 20 that it is safe in its errors; 300 s")
	startswith(message(safe("latency", 3)), "p99 410 ms on the canary against 410 ms on stable")
}

first := object.union_n([
	{"/watch/totals/stable": null, "/step/weight": 100, "/watch/stable_observed": false},
	safe("errors", 1),
	safe("latency", 1),
])

test_a_first_release_is_judged_by_the_missions_limits if {
	after(first) == ["promote", "pass", set()]
	some said in judged(json.patch(fixture.canary, [{"op": "replace", "path": path, "value": value} |
		some path, value in first
	])).advice
	contains(said.msg, "a first release has nothing to be compared with, so the mission's limits alone decided")
	after(object.union(first, streak("error_rate", 3)))[2] == {"canary.error-rate"}
}

test_a_stable_side_that_nobody_saw_is_no_first_release if {
	after(object.union(first, {"/step/weight": 99})) == ["extend", "running", {"canary.uncertified"}]
	never := {"/watch/totals/stable": null}
	after(never) == ["extend", "running", {"canary.uncertified"}]
	after({"/step/weight": 100})[0] == "promote"
	after(object.union({"/step/weight": 100}, safe("errors", 1)))[0] == "extend"
}
