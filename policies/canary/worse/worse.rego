package canary

import data.lib

# METADATA
# title: The canary is not worse than stable
# description: >-
#   The evidence that it is worse at all, and that it is worse by more than is tolerated, are both as
#   large as they have to be (data.canary.keys). An evidence of 100 is reached by one healthy canary in
#   a hundred at the most, however often and however long one looks.
# custom:
#   code: canary.worse
#   solution: Compare the canary's log with stable's for the stream that is named; fix it and release again.
deny_rollback contains found if {
	input.parameters.rule == "sequential"
	sequential := input.watch.sequential
	sequential.worse.together >= data.canary.keys.worse
	sequential.beyond.together >= data.canary.keys.beyond
	message := sprintf("%s; evidence %v >= %v that it is worse, and %v >= %v that it is by more than is tolerated; %s", [
		compared(sequential.leading),
		shown(sequential.worse.together),
		data.canary.keys.worse,
		shown(sequential.beyond.together),
		data.canary.keys.beyond,
		watched,
	])
	found := lib.finding(rego.metadata.rule(), said(message))
}
