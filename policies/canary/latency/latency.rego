package canary

import data.lib

# METADATA
# title: The p99 is within its limit
# description: >-
#   It was over the limit at so many checks in a row (parameters.consecutive), and the comparison with
#   stable agrees, or there is nothing to compare with, or the limits are taken literally.
# custom:
#   code: canary.latency
#   solution: Compare the canary's log with stable's; fix the release, or correct the limit in [canary].
deny_rollback contains found if {
	breached("latency_p99")
	counts("latency_p99")
	stream := input.watch.streams.latency_p99
	message := sprintf("p99 over %v ms at %v checks in a row, last %s against %s on stable; %s", [
		shown(input.parameters.latency_p99_threshold_ms),
		stream.streak,
		amount(stream.canary, "ms"),
		amount(stream.stable, "ms"),
		watched,
	])
	found := lib.finding(rego.metadata.rule(), said(message))
}
