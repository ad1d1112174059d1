package canary

import data.lib

# METADATA
# title: The watch ends quietly
# description: >-
#   A bad answer at the end, or so many of them (data.canary.unsettled_share) that they were never
#   enough in a row only by luck, settle nothing.
# custom:
#   code: canary.unsettled
#   solution: Look at what comes and goes in the canary's log; watch it again, or for longer.
deny_lacking contains found if {
	over
	limited
	some problem in unsettled
	found := lib.finding(rego.metadata.rule(), said(sprintf("%s; %s", [problem, watched])))
}

unsettled contains message if {
	some stream, words in {
		"health": "the last health poll failed",
		"error_rate": "the error rate was over its limit at the last check",
		"latency_p99": "the p99 was over its limit at the last check",
	}
	input.watch.streams[stream].streak > 0
	telling(stream)
	message := sprintf("the time was over when %s", [words])
}

# One check of a few requests is over a limit by chance; where the sides are compared, that says more.
telling("health")

telling(stream) if {
	evidence_of[stream]
	counts(stream)
}

telling(stream) if {
	evidence_of[stream]
	breached(stream)
}

unsettled contains message if {
	some stream, words in {
		"sight": "looks could not be made",
		"health": "health polls failed",
		"error_rate": "checks of the error rate were over the limit",
		"latency_p99": "checks of the p99 were over the limit",
	}
	answers := input.watch.streams[stream]
	answers.over >= input.parameters.consecutive
	answers.over >= data.canary.unsettled_share * answers.measured
	message := sprintf("%v of %v %s, though never enough in a row", [answers.over, answers.measured, words])
}

# Too few requests for a check, but enough bad ones among them to not look away.
unsettled contains message if {
	left := input.watch.unfinished.errors
	left.errors >= input.parameters.consecutive
	left.errors * 100 > input.parameters.error_rate_threshold * left.requests
	message := sprintf("%v of the last %v canary requests ended in errors", [left.errors, left.requests])
}

unsettled contains message if {
	left := input.watch.unfinished.latency
	left.slow >= input.parameters.consecutive
	message := sprintf("%v of the last %v canary answers took more than %v ms", [
		left.slow,
		left.answered,
		shown(input.parameters.latency_p99_threshold_ms),
	])
}
