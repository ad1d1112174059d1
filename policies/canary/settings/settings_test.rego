package canary_test

test_a_rule_that_nobody_knows_rolls_back if {
	after(rule("hope")) == ["rollback", "error", {"canary.rule"}]
	startswith(message(rule("hope")), "nobody knows how to decide by the rule hope")
	after(rule("mission")) == ["promote", "pass", set()]
}

test_without_its_numbers_nothing_is_promoted if {
	after({})[0] == "promote"
	every wrong in [null, {}, "100", 0, -1] {
		after({})[0] == "rollback" with data.canary.minimum_good_requests as wrong
		after({})[0] == "rollback" with data.canary.sick_seconds as wrong
		after({})[0] == "rollback" with data.canary.unsettled_share as wrong
	}
}

test_without_the_numbers_of_another_rule_nothing_is_promoted if {
	every wrong in [null, {}, "100", 0, -1] {
		after({})[0] == "rollback" with data.canary.argo.consecutive_error_limit as wrong
		after({})[0] == "rollback" with data.canary.argo.failure_limit as wrong
		after({})[0] == "rollback" with data.canary.flagger.threshold as wrong
		after({})[0] == "rollback" with data.canary.kayenta.pass as wrong
	}
}

test_without_its_keys_nothing_is_promoted if {
	every wrong in [null, {}, "100", 0, -1] {
		after({})[0] == "rollback" with data.canary.keys.worse as wrong
		after({})[0] == "rollback" with data.canary.keys.beyond as wrong
		after({})[0] == "rollback" with data.canary.keys.certify as wrong
		after({})[0] == "rollback" with data.canary.keys.corroborate as wrong
	}
	after({})[2] == {"canary.rule"} with data.canary.keys as "none"
}
