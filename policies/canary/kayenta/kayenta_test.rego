package canary_test

kayenta(score) := {"/parameters/rule": "kayenta", "/watch/peers": {"kayenta": {"points": 30, "score": score}}}

test_the_score_is_asked_when_the_time_is_over if {
	after(kayenta(95)) == ["promote", "pass", set()]
	after(kayenta(94.9)) == ["rollback", "fail", {"canary.kayenta"}]
	after(kayenta(null)) == ["rollback", "fail", {"canary.kayenta"}]
	after(object.union(kayenta(null), watching))[0] == "continue"
	after(object.union(kayenta(0), {"/parameters/rule": "mission"}))[0] == "promote"
	startswith(message(kayenta(50)), "the score is 50, 95 are needed; 300 s after its start (rule kayenta).")
	after(rule("kayenta"))[2] == {"canary.rule"}
}
