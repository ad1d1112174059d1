package canary

import data.lib

# METADATA
# title: The watch is over
# description: It is not, so nothing is decided yet.
# custom:
#   code: canary.watching
#   solution: Wait. `invoke status` shows how far it is.
deny_watching contains found if {
	not over
	message := sprintf("watched for %v of %v s; evidence %v of %v that it is worse, %v and %v of %v that it is safe", [
		round(input.watch.step_seconds),
		shown(input.parameters.duration_seconds),
		shown(input.watch.sequential.worse.together),
		data.canary.keys.worse,
		shown(input.watch.sequential.safe.errors),
		shown(input.watch.sequential.safe.latency),
		data.canary.keys.certify,
	])
	found := lib.finding(rego.metadata.rule(), said(message))
}
