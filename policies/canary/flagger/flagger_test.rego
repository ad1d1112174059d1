package canary_test

flagger(failed) := {"/parameters/rule": "flagger", "/watch/peers": {"flagger": {"checks": 30, "failed": failed}}}

test_failed_checks_are_counted_in_all if {
	after(flagger(2)) == ["promote", "pass", set()]
	after(flagger(3)) == ["rollback", "fail", {"canary.flagger"}]
	after(object.union(flagger(2), streak("error_rate", 3))) == ["promote", "pass", set()]
	after(object.union(flagger(3), {"/parameters/rule": "mission"}))[0] == "promote"
	startswith(message(flagger(3)), "3 of 30 checks failed, 3 are too many; 300 s after its start (rule flagger).")
}

test_by_no_rule_anything_is_promoted_on_nothing if {
	after(object.union(flagger(0), {"/watch/samples/good": 20}))[2] == {"canary.no-data"}
	after(rule("flagger")) == ["rollback", "error", {"canary.rule"}]
}
