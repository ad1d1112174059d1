package promotion

import data.lib

# METADATA
# title: The canary passed
# description: >-
#   Where the path asks for it, a canary of exactly this image in the source environment ended with
#   the verdict pass, with enough requests to mean something, and not too long ago.
# custom:
#   code: promotion.canary
#   solution: Watch it again with `invoke canary`, then promote.
deny contains found if {
	canary_wanted
	some problem in canary_problems
	found := lib.finding(rego.metadata.rule(), problem)
}

canary_wanted if object.get(step, "canary", true) != false

canary_problems contains message if {
	not lib.present("canary")
	message := sprintf("No canary of %s has ended.", [lib.value(["image", "digest"])])
}

canary_problems contains message if {
	is_object(input.evidence.canary)
	not canary_passed
	message := sprintf("The canary did not pass: verdict %s in %s about %s (%s).", [
		lib.value(["evidence", "canary", "facts", "verdict"]),
		lib.value(["evidence", "canary", "facts", "environment"]),
		lib.value(["evidence", "canary", "subject"]),
		lib.said("canary"),
	])
}

canary_problems contains message if {
	input.evidence.canary
	canary_passed
	not canary_measured
	message := sprintf("The canary passed on %s requests, fewer than the %v that mean something.", [
		lib.value(["evidence", "canary", "facts", "requests"]),
		canary_requests,
	])
}

canary_problems contains message if {
	input.evidence.canary
	canary_passed
	not canary_recent
	message := sprintf("The canary ended at %s, which is not within the last %v hours.", [
		lib.value(["evidence", "canary", "made_at"]),
		canary_hours,
	])
}

canary_passed if {
	lib.passed("canary")
	input.evidence.canary.facts.verdict == "pass"
	input.evidence.canary.facts.environment == input.source
}

default canary_requests := "(not set)"

# A canary that nobody has asked anything of has shown nothing, whatever the setting says.
canary_requests := data.promotion.canary_minimum_requests if {
	lib.at_least(data.promotion.canary_minimum_requests, 1)
}

default canary_hours := "(not set)"

canary_hours := data.promotion.canary_max_age_hours if is_number(data.promotion.canary_max_age_hours)

canary_measured if lib.at_least(input.evidence.canary.facts.requests, canary_requests)

canary_recent if lib.within(input.evidence.canary.made_at, data.promotion.canary_max_age_hours)
