package canary

import data.lib

# METADATA
# title: The canary can be seen
# description: >-
#   So many looks in a row could not be made (parameters.consecutive). What nobody can see does not go
#   on serving.
# custom:
#   code: canary.unseen
#   solution: Look at why the deployer cannot be asked; `invoke doctor` names what is missing.
deny_rollback contains found if {
	stream := input.watch.streams.sight
	stream.streak >= input.parameters.consecutive
	message := sprintf("%v looks in a row could not be made: %s; %s", [stream.streak, stream.detail, watched])
	found := lib.finding(rego.metadata.rule(), said(message))
}

# METADATA
# title: The last look was made
# description: A watch does not end well with a look that failed.
# custom:
#   code: canary.unseen
#   solution: Look at why the deployer cannot be asked; `invoke doctor` names what is missing.
deny_lacking contains found if {
	over
	input.watch.streams.sight.streak > 0
	message := sprintf("the last look could not be made: %s; %s", [input.watch.streams.sight.detail, watched])
	found := lib.finding(rego.metadata.rule(), said(message))
}
