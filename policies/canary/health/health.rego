package canary

import data.lib

# METADATA
# title: The canary is healthy
# description: Its health endpoint failed so many polls in a row (parameters.consecutive).
# custom:
#   code: canary.health
#   solution: Look at what the endpoint says and at the canary's log; fix it and release again.
deny_rollback contains found if {
	breached("health")
	stream := input.watch.streams.health
	message := sprintf("%v health polls in a row failed (%s); %s", [stream.streak, stream.detail, watched])
	found := lib.finding(rego.metadata.rule(), said(message))
}
