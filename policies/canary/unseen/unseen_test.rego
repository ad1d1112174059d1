package canary_test

test_what_nobody_sees_does_not_go_on_serving if {
	after(object.union(streak("sight", 3), watching)) == ["rollback", "error", {"canary.unseen"}]
	after(object.union(streak("sight", 2), watching))[0] == "continue"
	after(object.union(streak("sight", 3), {"/watch/streams/sight/detail": "timed out"}))[0] == "rollback"
	said := message(object.union(streak("sight", 3), {"/watch/streams/sight/detail": "timed out"}))
	startswith(said, "3 looks in a row could not be made: timed out; 300 s after its start")
}

test_a_watch_does_not_end_with_a_look_that_failed if {
	after(streak("sight", 1)) == ["extend", "running", {"canary.unseen"}]
	after(object.union(streak("sight", 1), rule("mission"))) == ["rollback", "error", {"canary.unseen"}]
	after(object.union(streak("sight", 1), watching))[2] == {"canary.watching"}
	said := message(object.union(streak("sight", 1), {"/watch/streams/sight/detail": "timed out"}))
	startswith(said, "the last look could not be made: timed out; 300 s")
}
