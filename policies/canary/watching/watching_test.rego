package canary_test

test_a_watch_goes_on_for_its_whole_time if {
	after(watching) == ["continue", "running", {"canary.watching"}]
	after({"/watch/step_seconds": 300})[0] == "promote"
	message({"/watch/step_seconds": 38.4}) == concat("", [
		"watched for 38 of 300 s; evidence 0.71 of 100 that it is worse, 64 and 210 of 20 that it is safe ",
		"(rule sequential, limits corroborated).",
	])
}
