package canary_test

# Both sides over their limit, *seconds* since the last good of *length* checks more.
both(stream, length, seconds) := object.union(streak(stream, length), {
	sprintf("/watch/streams/%s/streak_seconds", [stream]): seconds,
	sprintf("/watch/streams/%s/stable", [stream]): 100000,
})

test_what_breaks_a_limit_on_both_sides_is_held_and_taken_back_when_it_lasts if {
	every stream in {"error_rate", "latency_p99"} {
		after(both(stream, 3, 120)) == ["hold", "running", {"canary.sick"}]
		after(both(stream, 14, 140)) == ["hold", "running", {"canary.sick"}]
		after(both(stream, 15, 149)) == ["hold", "running", {"canary.sick"}]
		after(both(stream, 15, 150)) == ["rollback", "fail", {"canary.sick"}]
		after(object.union_n([both(stream, 2, 120), watching]))[0] == "continue"
	}
}

test_three_long_checks_are_not_two_minutes_of_sickness if {
	every stream in {"error_rate", "latency_p99"} {
		after(both(stream, 5, 200)) == ["hold", "running", {"canary.sick"}]
		after(both(stream, 6, 240)) == ["rollback", "fail", {"canary.sick"}]
	}
}

test_the_canary_alone_is_held_until_the_deadline if {
	every stream in {"error_rate", "latency_p99"} {
		seconds := sprintf("/watch/streams/%s/streak_seconds", [stream])
		alone := object.union(streak(stream, 60), {seconds: 600})
		after(object.union(alone, {"/watch/step_seconds": 899.9})) == ["hold", "running", {"canary.sick"}]
		after(object.union(alone, {"/watch/step_seconds": 900})) == ["rollback", "inconclusive", {"canary.unsettled"}]
	}
}

test_stable_at_its_limit_is_within_it if {
	limits := {"error_rate": 5, "latency_p99": 2000}
	every stream, limit in limits {
		at := object.union(both(stream, 60, 600), {sprintf("/watch/streams/%s/stable", [stream]): limit})
		after(at)[0] == "hold"
	}
}

test_it_is_told_how_long_it_has_lasted if {
	lasting := object.union(streak("error_rate", 3), {"/watch/streams/error_rate/streak_seconds": 31})
	startswith(
		message(lasting),
		"error rate over its limit for 31 s, last 0.4 against 0.5 on stable: too little to say that it is the canary's",
	)
	startswith(
		message(both("latency_p99", 3, 31)),
		"p99 over its limit for 31 s, last 410 against 100000 on stable: both sides are sick; 300 s",
	)
}
