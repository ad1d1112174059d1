package promotion_test

import data.lib_test as fixture

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
