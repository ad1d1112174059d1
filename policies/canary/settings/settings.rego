package canary

import data.lib

# METADATA
# title: The rule is known
# description: The name of the rule is one that the policies have, and their numbers (data.canary) are understood.
# custom:
#   code: canary.rule
#   solution: Name one of the rules of docs/canary-verdict.md as rule in [canary], and run `invoke policy.check`.
deny_rollback contains found if {
	not known
	message := sprintf("nobody knows how to decide by the rule %s, or its numbers in data.canary", [rule_named])
	found := lib.finding(rego.metadata.rule(), said(message))
}

# Without its numbers a rule would find nothing, and what finds nothing would promote.
known if {
	ready
	every number in [
		data.canary.argo.consecutive_error_limit,
		data.canary.argo.failure_limit,
		data.canary.flagger.threshold,
		data.canary.kayenta.pass,
		data.canary.keys.beyond,
		data.canary.keys.certify,
		data.canary.keys.corroborate,
		data.canary.keys.worse,
		data.canary.minimum_good_requests,
		data.canary.sick_seconds,
		data.canary.unsettled_share,
	] {
		is_number(number)
		number > 0
	}
}

# What the rule reads is there.
ready if limited

ready if {
	input.parameters.rule in {"argo", "flagger", "kayenta"}
	is_object(input.watch.peers[input.parameters.rule])
}
