package canary

import data.lib

# METADATA
# title: The error rate is within its limit
# description: >-
#   It was over the limit at so many checks in a row (parameters.consecutive), and the comparison with
#   stable agrees, or there is nothing to compare with, or the limits are taken literally. Where the
#   canary had too few requests for a check at every look, half as many bad checks are enough when they
#   are all there was for as long, and the comparison agrees.
# custom:
#   code: canary.error-rate
#   solution: Compare the canary's log with stable's; fix the release, or correct the limit in [canary].
deny_rollback contains found if {
	broken("error_rate")
	stream := input.watch.streams.error_rate
	message := sprintf("error rate over %v %% at %v checks in a row (%v s), last %s against %s on stable; %s", [
		shown(input.parameters.error_rate_threshold),
		stream.streak,
		round(stream.streak_seconds),
		amount(stream.canary, "%"),
		amount(stream.stable, "%"),
		watched,
	])
	found := lib.finding(rego.metadata.rule(), said(message))
}
