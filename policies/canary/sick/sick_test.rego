package canary_test

test_what_breaks_a_limit_on_both_sides_is_held_and_taken_back_when_it_lasts if {
	every stream in {"error_rate", "latency_p99"} {
		seconds := sprintf("/watch/streams/%s/streak_seconds", [stream])
		after(object.union(streak(stream, 3), {seconds: 119.9})) == ["hold", "running", {"canary.sick"}]
		after(object.union(streak(stream, 3), {seconds: 120})) == ["rollback", "fail", {"canary.sick"}]
		after(object.union_n([streak(stream, 2), {seconds: 120}, watching]))[0] == "continue"
	}
}

test_it_is_told_how_long_it_has_lasted if {
	lasting := object.union(streak("error_rate", 3), {"/watch/streams/error_rate/streak_seconds": 31})
	startswith(message(lasting), "error rate over its limit for 31 s, last 0.4 against 0.5 on stable: both sides are sick")
	other := object.union(streak("latency_p99", 3), {"/watch/streams/latency_p99/streak_seconds": 31})
	startswith(message(other), "p99 over its limit for 31 s, last 410 against 407 on stable: both sides are sick; 300 s")
}
