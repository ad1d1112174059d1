package canary_test

test_a_p99_over_the_limit_counts_when_the_comparison_agrees if {
	broken := object.union(streak("latency_p99", 3), {"/watch/sequential/beyond/latency": 10})
	after(broken) == ["rollback", "fail", {"canary.latency"}]
	after(object.union(broken, streak("latency_p99", 2)))[0] == "extend"
	after(object.union(broken, {"/watch/sequential/beyond/latency": 9}))[0] == "hold"
	after(object.union(streak("latency_p99", 3), rule("mission"))) == ["rollback", "fail", {"canary.latency"}]
}

test_the_p99_is_told_with_its_limit if {
	broken := object.union_n([streak("latency_p99", 3), rule("mission"), {"/watch/streams/latency_p99/canary": "inf"}])
	startswith(message(broken), "p99 over 2000 ms at 3 checks in a row (0 s), last inf ms against 407 ms on stable; 300 s")
}
