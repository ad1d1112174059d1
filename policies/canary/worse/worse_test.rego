package canary_test

test_both_keys_are_needed if {
	after(object.union(worse(100, 20), watching)) == ["rollback", "fail", {"canary.worse"}]
	after(object.union(worse(99.9, 20), watching))[0] == "continue"
	after(object.union(worse(100, 19.9), watching))[0] == "continue"
}

test_the_comparison_decides_by_the_sequential_rule_alone if {
	after(object.union_n([worse(1000, 1000), rule("mission")])) == ["promote", "pass", set()]
}

test_it_is_told_by_what if {
	startswith(message(worse(131, 25)), "error rate 0.93 % on the canary against 0.99 % on stable after 750 requests")
	contains(message(worse(131, 25)), "; evidence 131 >= 100 that it is worse, and 25 >= 20 that it is by more")
	slow := object.union(worse(131, 25), {"/watch/sequential/leading": "latency"})
	startswith(message(slow), "p99 410 ms on the canary against 410 ms on stable after 750 requests")
	flapping := object.union_n([worse(131, 25), {"/watch/sequential/leading": "health"}, {"/watch/streams/health/over": 9}])
	startswith(message(flapping), "9 of 31 health polls of the canary failed")
	alone := object.union(worse(131, 25), {"/watch/totals/stable": null})
	contains(message(alone), "against none on stable")
}
