package canary

import data.lib

# METADATA
# title: The p99 is within its limit
# description: >-
#   It was over the limit at so many checks in a row (parameters.consecutive), and the comparison with
#   stable agrees, or there is nothing to compare with, or the limits are taken literally. Where the
#   canary had too few requests for a check at every look, half as many bad checks are enough when they
#   are all there was for as long, and the comparison agrees.
# custom:
#   code: canary.latency
#   solution: Compare the canary's log with stable's; fix the release, or correct the limit in [canary].
deny_rollback contains found if {
	broken("latency_p99")
	stream := input.watch.streams.latency_p99
	message := sprintf("p99 over %v ms at %v checks in a row (%v s), last %s against %s on stable; %s", [
		shown(input.parameters.latency_p99_threshold_ms),
		stream.streak,
		round(stream.streak_seconds),
		amount(stream.canary, "ms"),
		amount(stream.stable, "ms"),
		watched,
	])
	found := lib.finding(rego.metadata.rule(), said(message))
}
