package canary_test

test_what_is_broken_is_taken_back_at_once if {
	every code in {"canary.crashed", "canary.restarted", "canary.shed", "canary.contradiction"} {
		broken := {"/watch/at_once": {"code": code, "reason": "it is broken"}, "/watch/step_seconds": 10}
		after(broken) == ["rollback", "fail", {code}]
		startswith(message(broken), "it is broken; 300 s after its start")
	}
}
