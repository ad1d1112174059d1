package lib_test

import data.lib

test_solution_is_filled_from_the_input if {
	solution("{digest} {source} {service}") == sprintf("%s canary settlement", [digest]) with input as promotion
}

test_a_missing_value_is_said_and_not_undefined if {
	lib.value(["image", "digest"]) == "(missing)" with input as {}
	solution("{environment}") == "(missing)" with input as {}
}

solution(text) := lib.finding({"custom": {"code": "g.no", "solution": text}}, "no").solution

test_only_listed_codes_may_be_waived if {
	lib.may_waive("gate.smoke")
	not lib.may_waive("image.signature")
	not lib.may_waive("gate.smoke") with data.lib.waivable as []
	not lib.may_waive("gate.smoke") with data.lib.waivable as "gate.smoke"
}

test_a_list_that_is_none_leaves_the_finding_standing if {
	rule := {"custom": {"code": "gate.smoke", "solution": "wait"}}
	lib.finding(rule, "no").waivable == true with input as promotion
	lib.finding(rule, "no").waivable == false with input as promotion with data.lib.waivable as "gate.smoke"
}

test_recent if {
	lib.within("2026-11-24T11:00:00Z", 1) with input.now as "2026-11-24T12:00:00Z"
	lib.within("2026-11-24T12:04:00Z", 1) with input.now as "2026-11-24T12:00:00Z"
}

test_old_and_future_are_not_recent if {
	not lib.within("2026-11-24T10:59:59Z", 1) with input.now as "2026-11-24T12:00:00Z"
	not lib.within("2026-11-24T12:06:00Z", 1) with input.now as "2026-11-24T12:00:00Z"
}

test_without_a_limit_nothing_is_recent if {
	not recent_by_missing_limit with input.now as "2026-11-24T12:00:00Z"
}

recent_by_missing_limit if lib.within("2026-11-24T11:00:00Z", data.nowhere)

test_zones_are_understood if {
	lib.hours_since("2026-11-24T12:00:00+02:00") == 2 with input.now as "2026-11-24T12:00:00Z"
}

test_text_is_not_a_number if {
	lib.at_least(2, 2)
	not lib.at_least(1, 2)
	not lib.at_least("many", 2)
	not lib.at_least(2, "few")
	not lib.within("2026-11-24T11:00:00Z", "soon") with input.now as "2026-11-24T12:00:00Z"
}

test_a_solution_names_the_thing if {
	rule := {"custom": {"code": "g.no", "solution": "waive g.no/{about}"}}
	lib.finding_about(rule, "no", "X-1").solution == "waive g.no/X-1" with input as {}
	lib.finding_about(rule, "no", null).solution == "waive g.no/null" with input as {}
}
