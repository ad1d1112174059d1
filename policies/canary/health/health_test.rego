package canary_test

test_three_failed_polls_in_a_row_roll_back if {
	every name in {"sequential", "mission"} {
		after(object.union(streak("health", 3), rule(name))) == ["rollback", "fail", {"canary.health"}]
		after(object.union_n([streak("health", 2), rule(name), watching]))[0] == "continue"
	}
	said := object.union(streak("health", 3), {"/watch/streams/health/detail": "503"})
	startswith(message(said), "3 health polls in a row failed (503); 300 s")
}
