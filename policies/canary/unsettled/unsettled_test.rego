package canary_test

test_a_watch_ends_quietly if {
	after(streak("health", 1)) == ["extend", "running", {"canary.unsettled"}]
	every stream in {"health", "error_rate", "latency_p99"} {
		after(object.union(streak(stream, 1), rule("mission"))) == ["rollback", "inconclusive", {"canary.unsettled"}]
		after(object.union(streak(stream, 1), watching))[2] == {"canary.watching"}
	}
	startswith(message(streak("health", 1)), "the time was over when the last health poll failed; 300 s")
	startswith(message(telling_streak("error_rate", 10)), "the time was over when the error rate was over its limit at the last")
	startswith(message(telling_streak("latency_p99", 10)), "the time was over when the p99 was over its limit at the last check")
}

telling_streak(stream, beyond) := object.union(streak(stream, 1), {sprintf(
	"/watch/sequential/beyond/%s",
	[{"error_rate": "errors", "latency_p99": "latency"}[stream]],
): beyond})

test_one_check_over_its_limit_settles_nothing_where_the_comparison_agrees if {
	every stream in {"error_rate", "latency_p99"} {
		after(streak(stream, 1))[0] == "promote"
		after(telling_streak(stream, 9.9))[0] == "promote"
		after(telling_streak(stream, 10)) == ["extend", "running", {"canary.unsettled"}]
		after(object.union(streak(stream, 1), {"/parameters/limits": "literal"}))[0] == "extend"
	}
}

over(stream, bad, measured) := {
	sprintf("/watch/streams/%s/over", [stream]): bad,
	sprintf("/watch/streams/%s/measured", [stream]): measured,
}

test_so_many_bad_answers_settle_nothing if {
	every stream, words in {
		"sight": "looks could not be made",
		"health": "health polls failed",
		"error_rate": "checks of the error rate were over the limit",
		"latency_p99": "checks of the p99 were over the limit",
	} {
		after(over(stream, 12, 30)) == ["extend", "running", {"canary.unsettled"}]
		startswith(message(over(stream, 12, 30)), sprintf("12 of 30 %s, though never enough in a row", [words]))
		after(over(stream, 11, 30))[0] == "promote"
		after(over(stream, 2, 2))[0] == "promote"
		after(over(stream, 3, 3))[0] == "extend"
	}
}

left_errors(errors, requests) := {"/watch/unfinished/errors": {"errors": errors, "requests": requests}}

left_slow(slow, answered) := {"/watch/unfinished/latency": {"slow": slow, "answered": answered}}

test_bad_requests_in_a_window_too_small_for_a_check_settle_nothing if {
	after(left_errors(3, 9)) == ["extend", "running", {"canary.unsettled"}]
	after(left_errors(2, 2))[0] == "promote"
	after(left_errors(3, 60))[0] == "promote"
	after(left_errors(3, 59))[0] == "extend"
	after(left_slow(3, 9)) == ["extend", "running", {"canary.unsettled"}]
	after(left_slow(2, 2))[0] == "promote"
	startswith(message(left_errors(3, 9)), "3 of the last 9 canary requests ended in errors; 300 s")
	startswith(message(left_slow(3, 9)), "3 of the last 9 canary answers took more than 2000 ms; 300 s")
}
