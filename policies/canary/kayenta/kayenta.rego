package canary

import data.lib

# METADATA
# title: The score is high enough (Kayenta's rule)
# description: >-
#   Both sides' series are compared once, when the time is over; the score is the share of metrics that
#   pass (data.canary.kayenta.pass).
# custom:
#   code: canary.kayenta
#   solution: Compare the canary's log with stable's; fix it and release again.
deny_rollback contains found if {
	input.parameters.rule == "kayenta"
	input.watch.peers.kayenta # where there is none, canary.rule is found
	over
	not scored
	message := sprintf("the score is %v, %v are needed; %s", [
		shown(input.watch.peers.kayenta.score),
		data.canary.kayenta.pass,
		watched,
	])
	found := lib.finding(rego.metadata.rule(), said(message))
}

scored if lib.at_least(input.watch.peers.kayenta.score, data.canary.kayenta.pass)
