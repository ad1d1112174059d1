package canary_test

import data.canary
import data.lib_test as fixture

judged(document) := result if result := canary.decision with input as document

codes(document) := fixture.codes(judged(document).deny)

# [verdict, outcome, codes] after changing the passing input: a path and its value each.
after(changes) := [found.verdict, found.outcome, fixture.codes(found.deny)] if {
	found := judged(json.patch(fixture.canary, [{"op": "replace", "path": path, "value": value} |
		some path, value in changes
	]))
}

watching := {"/watch/step_seconds": 299.9}

worse(key, other) := {"/watch/sequential/worse/together": key, "/watch/sequential/beyond/together": other}

streak(name, length) := {sprintf("/watch/streams/%s/streak", [name]): length}

message(changes) := text if {
	some found in judged(json.patch(fixture.canary, [{"op": "replace", "path": path, "value": value} |
		some path, value in changes
	])).deny
	text := found.msg
}

rule(name) := {"/parameters/rule": name}

test_a_good_canary_is_promoted_and_it_is_said_on_what if {
	found := canary.decision with input as fixture.canary
	found.verdict == "promote"
	found.outcome == "pass"
	found.deny == set()
	found.warn == set()
	some said in found.advice
	said.code == "canary.passed"
	startswith(said.msg, "error rate 0.93 % on the canary against 0.99 % on stable after 750 requests; evidence 64 and")
	endswith(said.msg, "; 300 s after its start (rule sequential, limits corroborated).")
}

test_nothing_known_never_promotes if {
	found := canary.decision with input as {}
	found.verdict == "rollback"
	fixture.codes(found.deny) == {"canary.rule"}
}

test_the_last_step_passes_the_watch if {
	after({"/step": {"index": 1, "count": 3, "weight": 25}}) == ["promote", "running", set()]
	after({"/step": {"index": 2, "count": 3, "weight": 50}}) == ["promote", "pass", set()]
}

test_a_reason_to_roll_back_goes_before_every_other if {
	after(object.union(streak("health", 3), watching)) == ["rollback", "fail", {"canary.health"}]
	both := object.union(streak("health", 3), streak("error_rate", 3))
	after(both) == ["rollback", "fail", {"canary.health"}]
}

test_a_held_canary_is_neither_extended_nor_promoted if {
	after(streak("error_rate", 3)) == ["hold", "running", {"canary.sick"}]
	after(object.union(streak("error_rate", 3), watching)) == ["hold", "running", {"canary.sick"}]
}

test_of_several_outcomes_the_worst_is_told if {
	late := {"/watch/step_seconds": 900}
	after(object.union(late, {"/watch/samples/good": 0})) == ["rollback", "no-data", {"canary.no-data"}]
	quiet := object.union(late, streak("health", 1))
	after(quiet) == ["rollback", "inconclusive", {"canary.unsettled"}]
	blind := object.union(late, streak("sight", 1))
	after(object.union(blind, {"/watch/samples/good": 0})) == ["rollback", "error", {"canary.no-data", "canary.unseen"}]
}

test_what_may_be_waived_is_nothing if {
	every found in judged(fixture.set(fixture.canary, "/watch/samples/good", 0)).deny {
		not found.waivable
	}
}

test_numbers_are_told_with_two_decimals if {
	canary.shown(4.1249) == 4.12
	canary.shown("inf") == "inf"
	canary.shown(null) == "none"
}
