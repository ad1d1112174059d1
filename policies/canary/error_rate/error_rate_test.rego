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
	broken := object.union(streak("error_rate", 3), rule("mission"))
	message(broken) == concat("", [
		"error rate over 5 % at 3 checks in a row, last 0.4 % against 0.5 % on stable; ",
		"300 s after its start (rule mission, limits literal).",
	])
}
