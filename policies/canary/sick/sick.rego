package canary

import data.lib

# METADATA
# title: Both sides are within the limits
# description: >-
#   A limit is broken at so many checks in a row, and the comparison does not say that it is the
#   canary's doing: both sides are sick, or there were too few requests to tell. The weight is held,
#   and nothing is promoted meanwhile.
# custom:
#   code: canary.sick
#   solution: Look at what both sides share (the database, the network, a burst of traffic).
deny_hold contains found if {
	some stream in uncorroborated
	not lasting(stream)
	not late
	found := lib.finding(rego.metadata.rule(), said(sick(stream)))
}

# METADATA
# title: Both sides are not sick for long
# description: >-
#   What breaks a limit on both sides for so long (data.canary.sick_seconds) is taken back, whoever's
#   doing it is.
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

# Counted from the check at which the limit was broken, however long a check takes: with few requests
# three of them alone may take two minutes.
lasting(stream) if {
	shared(stream)
	answers := input.watch.streams[stream]
	since := answers.streak - input.parameters.consecutive
	answers.streak_seconds * since >= data.canary.sick_seconds * answers.streak
}

# Then the watch ends without having told: canary.unsettled.
late if not extendable

# Stable is over the limit as well. Where it is not, the canary may be unlucky: few requests break a
# limit by chance, and the comparison will tell.
shared(stream) if input.watch.streams[stream].stable > input.parameters[limit_of[stream]]

limit_of := {"error_rate": "error_rate_threshold", "latency_p99": "latency_p99_threshold_ms"}

sick(stream) := sprintf("%s over its limit for %v s, last %v against %v on stable: %s; %s", [
	{"error_rate": "error rate", "latency_p99": "p99"}[stream],
	round(input.watch.streams[stream].streak_seconds),
	shown(input.watch.streams[stream].canary),
	shown(input.watch.streams[stream].stable),
	whose(stream),
	watched,
])

whose(stream) := "both sides are sick" if {
	shared(stream)
} else := "too little to say that it is the canary's doing"
