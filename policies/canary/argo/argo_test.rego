package canary_test

argo(failed, blind) := {
	"/parameters/rule": "argo",
	"/watch/peers": {"argo": {"measurements": 30, "failed": failed, "errors_in_a_row": blind}},
}

test_one_more_than_the_limit_fails if {
	after(argo(3, 4)) == ["promote", "pass", set()]
	after(argo(4, 0)) == ["rollback", "fail", {"canary.argo"}]
	after(argo(0, 5)) == ["rollback", "fail", {"canary.argo"}]
	after(object.union(argo(4, 5), {"/parameters/rule": "mission"}))[0] == "promote"
	startswith(message(argo(4, 0)), "4 of 30 measurements failed, 3 may; 300 s after its start (rule argo).")
	startswith(message(argo(0, 5)), "5 measurements in a row had nothing to measure, 4 may; 300 s")
	after(rule("argo"))[2] == {"canary.rule"}
}
