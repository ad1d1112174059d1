package canary_test

test_a_rate_over_the_limit_counts_when_the_comparison_agrees if {
	broken := object.union(streak("error_rate", 3), {"/watch/sequential/beyond/errors": 10})
	after(broken) == ["rollback", "fail", {"canary.error-rate"}]
	after(object.union(broken, streak("error_rate", 2)))[0] == "extend"
	after(object.union(broken, {"/watch/sequential/beyond/errors": 9.99}))[0] == "hold"
	other := {"/watch/sequential/beyond/latency": 100, "/watch/sequential/beyond/errors": 1}
	after(object.union(streak("error_rate", 3), other))[0] == "hold"
}

test_a_rate_over_the_limit_counts_by_itself_where_it_is_so_wanted if {
	broken := streak("error_rate", 3)
	after(object.union(broken, {"/parameters/limits": "literal"})) == ["rollback", "fail", {"canary.error-rate"}]
	after(object.union(broken, rule("mission"))) == ["rollback", "fail", {"canary.error-rate"}]
	after(object.union(broken, {"/watch/stable_observed": false})) == ["rollback", "fail", {"canary.error-rate"}]
	after(object.union(broken, {"/watch/streams/error_rate/stable": null})) == ["rollback", "fail", {"canary.error-rate"}]
}

test_the_rate_is_told_with_its_limit if {
	broken := object.union_n([streak("error_rate", 3), rule("mission"), {"/watch/streams/error_rate/streak_seconds": 30}])
	message(broken) == concat("", [
		"error rate over 5 % at 3 checks in a row (30 s), last 0.4 % against 0.5 % on stable; ",
		"300 s after its start (rule mission, limits literal).",
	])
}

# Two bad checks, the comparison agrees: changed by what a test is about.
seldom(stream, evidence, length, seconds) := object.union(streak(stream, length), {
	sprintf("/watch/streams/%s/streak_seconds", [stream]): seconds,
	sprintf("/watch/sequential/beyond/%s", [evidence]): 10,
	"/watch/step_seconds": 40,
})

test_a_canary_that_is_asked_seldom_breaks_its_limit_for_as_long if {
	every stream, found in {"error_rate": ["errors", "canary.error-rate"], "latency_p99": ["latency", "canary.latency"]} {
		broken := seldom(stream, found[0], 2, 30)
		after(broken) == ["rollback", "fail", {found[1]}]
		after(seldom(stream, found[0], 1, 300))[0] == "continue"
		after(seldom(stream, found[0], 2, 29.9))[0] == "continue"
		after(object.union(broken, {sprintf("/watch/sequential/beyond/%s", [found[0]]): 9.99}))[0] == "continue"
		after(object.union(broken, {"/parameters/interval_seconds": 10.1}))[0] == "continue"
		after(object.union(broken, rule("mission")))[0] == "continue"
		after(object.union(broken, {"/parameters/limits": "literal"}))[0] == "continue"
		after(object.union(broken, {"/watch/stable_observed": false}))[0] == "continue"
		five := {"/parameters/consecutive": 5}
		after(object.union(seldom(stream, found[0], 2, 50), five))[0] == "continue"
		after(object.union(seldom(stream, found[0], 3, 49), five))[0] == "continue"
		after(object.union(seldom(stream, found[0], 3, 50), five))[0] == "rollback"
	}
}
