package canary

import data.lib

# METADATA
# title: The canary passed
# description: Nothing stands against it; this says on what.
# custom:
#   code: canary.passed
#   solution: Nothing is to be done.
advice contains found if {
	verdict == "promote"
	found := lib.finding(rego.metadata.rule(), said(sprintf("%s; %s; %s", [compared("errors"), grounds, watched])))
}

grounds := "a first release has nothing to be compared with, so the mission's limits alone decided" if {
	input.parameters.rule == "sequential"
	alone
} else := sprintf("evidence %v and %v >= %v that it is safe in its errors and latency", [
	shown(input.watch.sequential.safe.errors),
	shown(input.watch.sequential.safe.latency),
	data.canary.keys.certify,
]) if {
	input.parameters.rule == "sequential"
} else := "nothing was held against it"
