package canary

import data.lib

# METADATA
# title: The error rate is within its limit
# description: >-
#   It was over the limit at so many checks in a row (parameters.consecutive), and the comparison with
#   stable agrees, or there is nothing to compare with, or the limits are taken literally.
# custom:
#   code: canary.error-rate
#   solution: Compare the canary's log with stable's; fix the release, or correct the limit in [canary].
deny_rollback contains found if {
	breached("error_rate")
	counts("error_rate")
	stream := input.watch.streams.error_rate
	message := sprintf("error rate over %v %% at %v checks in a row, last %s against %s on stable; %s", [
		shown(input.parameters.error_rate_threshold),
		stream.streak,
		amount(stream.canary, "%"),
		amount(stream.stable, "%"),
		watched,
	])
	found := lib.finding(rego.metadata.rule(), said(message))
}
