package canary

import data.lib

# METADATA
# title: Both sides are within the limits
# description: >-
#   A limit is broken at so many checks in a row, and the comparison does not say that it is the
#   canary's doing: both sides are sick. The weight is held, and nothing is promoted meanwhile.
# custom:
#   code: canary.sick
#   solution: Look at what both sides share (the database, the network, a burst of traffic).
deny_hold contains found if {
	some stream in uncorroborated
	not lasting(stream)
	found := lib.finding(rego.metadata.rule(), said(sick(stream)))
}

# METADATA
# title: Both sides are not sick for long
# description: What breaks a limit for so long (data.canary.sick_seconds) is taken back, whoever's doing it is.
# custom:
#   code: canary.sick
#   solution: Look at what both sides share; release again when both are well.
deny_rollback contains found if {
	some stream in uncorroborated
	lasting(stream)
	found := lib.finding(rego.metadata.rule(), said(sick(stream)))
}

uncorroborated contains stream if {
	some stream in {"error_rate", "latency_p99"}
	breached(stream)
	not counts(stream)
}

lasting(stream) if input.watch.streams[stream].streak_seconds >= data.canary.sick_seconds

sick(stream) := sprintf("%s over its limit for %v s, last %v against %v on stable: both sides are sick; %s", [
	{"error_rate": "error rate", "latency_p99": "p99"}[stream],
	round(input.watch.streams[stream].streak_seconds),
	shown(input.watch.streams[stream].canary),
	shown(input.watch.streams[stream].stable),
	watched,
])
