package promotion_test

import data.lib_test as fixture
import data.promotion

test_no_other_path if {
	every way in [
		["dev", "canary"], ["dev", "production"], ["staging", "production"], ["staging", "dev"],
		["production", "canary"], ["dev", "dev"], ["build", "production"],
	] {
		"promotion.path" in denied(going(way[0], way[1], "tom"))
	}
}

test_a_closed_path if {
	closed := {"canary": {"production": null}}
	"promotion.path" in denied(fixture.promotion) with data.promotion.paths as closed
}

test_the_path_says_where_to_go if {
	some found in judged(going("dev", "production", "anna")).deny
	found.msg == "There is no path from dev to production; from dev an image goes to staging."
}

test_unknown_environments if {
	some found in judged(going("dev", "stagign", "anna")).deny
	found.msg == "There is no environment stagign; this service has dev, staging, canary, production."
	"promotion.path" in denied(going("nowhere", "staging", "anna"))
	without("/environments") == {"promotion.path"}
}

test_a_source_with_no_way_on_says_so if {
	some found in judged(fixture.promotion).deny with data.promotion.paths as {"canary": {}}
	found.msg == "There is no path from canary to production; nothing goes on from canary."
}

with_row(changes) := {"canary": {"production": object.union(
	object.remove(data.promotion.paths.canary.production, ["evidence", "roles"]),
	changes,
)}}

test_what_a_row_asks_for_is_a_list_of_texts if {
	every key in ["evidence", "roles"] {
		every wrong in [null, false, "", "smoke", {"smoke": "smoke"}, [null], [""]] {
			problems := promotion.rows_not_understood with input as fixture.promotion
				with data.promotion.paths as with_row({key: wrong})
			count(problems) == 1
		}
	}
	as_text := with_row({"evidence": "smoke", "roles": ["tech-lead"]})
	document := fixture.unset(fixture.promotion, "/evidence/smoke")
	some found in judged(document).deny with data.promotion.paths as as_text
	found.msg == "The evidence from canary to production are smoke, which is not a list of texts."
	found.code == "promotion.path"
}

test_a_row_that_leaves_lists_out_is_understood if {
	denied(fixture.promotion) == {"promotion.role"} with data.promotion.paths as with_row({})
}

test_a_row_says_nothing_that_nobody_reads if {
	row := data.promotion.paths.canary.production
	every wrong in ["soak_hour", "Soak_hours", "required_role", "roles ", ""] {
		paths := {"canary": {"production": object.union(row, {wrong: 1})}}
		denied(fixture.promotion) == {"promotion.path"} with data.promotion.paths as paths
	}
	misspelt := {"canary": {"production": object.union(row, {"soak_hour": 24})}}
	some found in judged(fixture.promotion).deny with data.promotion.paths as misspelt
	startswith(found.msg, "The path from canary to production says soak_hour, which is none of approvals, ")
	every key, value in {"soak_hours": 0, "required_roles": [], "exclude_committers": true} {
		right := {"canary": {"production": object.union(row, {key: value})}}
		denied(fixture.promotion) == set() with data.promotion.paths as right
	}
}
