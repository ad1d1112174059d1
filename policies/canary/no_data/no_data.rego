package canary

import data.lib

# METADATA
# title: There was enough to look at
# description: >-
#   Without a check of the error rate and of the p99, enough good requests and a health poll nothing is
#   promoted, by whichever rule.
# custom:
#   code: canary.no-data
#   solution: See that clients ask the route at all; then raise traffic_percent or deadline_minutes.
deny_lacking contains found if {
	over
	some problem in unmeasured
	found := lib.finding(rego.metadata.rule(), said(sprintf("%s; %s", [problem, watched])))
}

unmeasured contains "the canary's counters could never be read" if not read("canary")

unmeasured contains message if {
	some stream, name in {"error_rate": "error rate", "latency_p99": "p99"}
	not measured(stream)
	message := sprintf("the %s was never measured in %v canary requests, %v make a check", [
		name,
		input.watch.samples.canary,
		input.parameters.minimum_check_requests,
	])
}

unmeasured contains message if {
	input.watch.samples.good < needed
	message := sprintf("%v of %v canary requests were good, %v good ones are needed", [
		input.watch.samples.good,
		input.watch.samples.canary,
		needed,
	])
}

unmeasured contains "the canary's health was never polled" if input.watch.streams.health.measured == 0

measured(stream) if {
	input.watch.streams[stream].measured > 0
	input.watch.streams[stream].canary != null
}

needed := input.parameters.minimum_requests if {
	input.parameters.rule == "mission"
} else := max([input.parameters.minimum_requests, data.canary.minimum_good_requests])
