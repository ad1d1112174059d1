package canary_test

few(good) := {"/watch/samples/good": good}

test_too_little_to_look_at_is_extended_and_then_taken_back if {
	after(few(49)) == ["extend", "running", {"canary.no-data"}]
	after(object.union(few(49), {"/watch/step_seconds": 899.9}))[0] == "extend"
	after(object.union(few(49), {"/watch/step_seconds": 900})) == ["rollback", "no-data", {"canary.no-data"}]
	after(object.union(few(49), rule("mission"))) == ["rollback", "no-data", {"canary.no-data"}]
	after(object.union(few(0), watching))[2] == {"canary.watching"}
	startswith(message(few(49)), "49 of 750 canary requests were good, 50 good ones are needed; 300 s")
}

test_the_larger_minimum_counts_but_the_missions_own_is_its_own if {
	little := {"/parameters/minimum_requests": 10}
	after(object.union(little, few(29)))[2] == {"canary.no-data"}
	after(object.union(little, few(30)))[0] == "promote"
	after(object.union_n([little, few(10), rule("mission")]))[0] == "promote"
	after(object.union_n([little, few(9), rule("mission")]))[0] == "rollback"
	after(few(50))[0] == "promote"
}

test_each_thing_has_to_be_measured if {
	every path in {"/watch/streams/error_rate/measured", "/watch/streams/latency_p99/measured", "/watch/streams/health/measured"} {
		after({path: 0}) == ["extend", "running", {"canary.no-data"}]
	}
	after({"/watch/streams/error_rate/canary": null}) == ["extend", "running", {"canary.no-data"}]
	after({"/watch/totals/canary": null}) == ["extend", "running", {"canary.no-data"}]
	rated := message({"/watch/streams/error_rate/measured": 0})
	startswith(rated, "the error rate was never measured in 750 canary requests, 10 make a check; 300 s")
	slow := message({"/watch/streams/latency_p99/measured": 0})
	startswith(slow, "the p99 was never measured in 750 canary requests, 10 make a check; 300 s")
	startswith(message({"/watch/totals/canary": null}), "the canary's counters could never be read; 300 s")
	startswith(message({"/watch/streams/health/measured": 0}), "the canary's health was never polled; 300 s")
}
