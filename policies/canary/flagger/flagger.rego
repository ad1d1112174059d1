package canary

import data.lib

# METADATA
# title: Few checks failed (Flagger's rule)
# description: >-
#   Failed checks of one minute are counted in all, and a good one between them takes nothing back
#   (data.canary.flagger.threshold).
# custom:
#   code: canary.flagger
#   solution: Compare the canary's log with stable's; fix it and release again.
deny_rollback contains found if {
	input.parameters.rule == "flagger"
	checks := input.watch.peers.flagger
	checks.failed >= data.canary.flagger.threshold
	message := sprintf("%v of %v checks failed, %v are too many; %s", [
		checks.failed,
		checks.checks,
		data.canary.flagger.threshold,
		watched,
	])
	found := lib.finding(rego.metadata.rule(), said(message))
}
