package canary

import data.lib

# METADATA
# title: The canary is shown to be safe
# description: >-
#   To go on, it must be excluded (evidence of data.canary.keys.certify) that the canary has two points
#   of errors more than stable, and that it has five points more of requests slower than stable's p95.
#   A first release has nothing to be compared with; there the mission's own rule decides.
# custom:
#   code: canary.uncertified
#   solution: Raise traffic_percent or deadline_minutes, so that the canary gets more requests.
deny_lacking contains found if {
	over
	input.parameters.rule == "sequential"
	not alone
	some stream in ["errors", "latency"]
	not certified(stream)
	message := sprintf("%s: evidence %v of %v that it is safe in its %s; %s", [
		compared(stream),
		shown(input.watch.sequential.safe[stream]),
		data.canary.keys.certify,
		stream,
		watched,
	])
	found := lib.finding(rego.metadata.rule(), said(message))
}

certified(stream) if {
	read("stable")
	lib.at_least(input.watch.sequential.safe[stream], data.canary.keys.certify)
}
