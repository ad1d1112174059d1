package canary

import data.lib

# METADATA
# title: Few measurements failed (Argo Rollouts' rule)
# description: >-
#   One metric failed at more measurements of one minute than are allowed (data.canary.argo.failure_limit),
#   or more of them in a row than are allowed (consecutive_error_limit) had nothing to measure.
# custom:
#   code: canary.argo
#   solution: Compare the canary's log with stable's; fix it and release again.
deny_rollback contains found if {
	input.parameters.rule == "argo"
	some problem in argo_problems
	found := lib.finding(rego.metadata.rule(), said(sprintf("%s; %s", [problem, watched])))
}

argo_problems contains message if {
	seen := input.watch.peers.argo
	seen.failed > data.canary.argo.failure_limit
	message := sprintf("%v of %v measurements failed, %v may", [
		seen.failed,
		seen.measurements,
		data.canary.argo.failure_limit,
	])
}

argo_problems contains message if {
	seen := input.watch.peers.argo
	seen.errors_in_a_row > data.canary.argo.consecutive_error_limit
	message := sprintf("%v measurements in a row had nothing to measure, %v may", [
		seen.errors_in_a_row,
		data.canary.argo.consecutive_error_limit,
	])
}
