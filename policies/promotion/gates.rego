package promotion

import data.lib

# METADATA
# title: The smoke tests passed
# description: Where the path asks for it, smoke tests ran against this image in the source environment.
# custom:
#   code: gate.smoke
#   solution: >-
#     See what the checks say, correct the service or the checks, and promote again. Where no instance
#     of this digest runs in {source}, bring it back first: promote the same digest into {source}
#     again, or start a canary again with `invoke canary`.
deny contains found if {
	some problem in check_problems.smoke
	found := lib.finding(rego.metadata.rule(), problem)
}

# METADATA
# title: The contract tests passed
# description: Contract tests are optional; but when they ran, or the path asks for them, they passed.
# custom:
#   code: gate.contract
#   solution: See what the checks say, correct the service or the contract, and promote again.
deny contains found if {
	some problem in check_problems.contract
	found := lib.finding(rego.metadata.rule(), problem)
}

check_problems[kind] contains message if {
	some kind in ["smoke", "contract"]
	needed(kind)
	not lib.present(kind)
	message := sprintf("There is no %s evidence, and going from %s to %s takes it.", [
		kind,
		lib.value(["source"]),
		lib.value(["target"]),
	])
}

check_problems[kind] contains message if {
	some kind in ["smoke", "contract"]
	lib.present(kind)
	not excused(kind)
	not lib.passed(kind)
	message := sprintf("The %s checks did not pass for %s: their status is %s about %s (%s).", [
		kind,
		lib.value(["image", "digest"]),
		lib.status(kind),
		lib.value(["evidence", kind, "subject"]),
		lib.said(kind),
	])
}

check_problems[kind] contains message if {
	some kind in ["smoke", "contract"]
	lib.status(kind) == "ok"
	not every_check_passed(kind)
	message := sprintf("The %s evidence says ok, but not every check in it does (%s).", [
		kind,
		lib.said(kind),
	])
}

# The path does not ask for it and there was nothing to look at.
excused(kind) if {
	not needed(kind)
	lib.status(kind) == "no-data"
}

every_check_passed(kind) if {
	checks := lib.facts(kind).checks
	count(checks) > 0
	every check in checks {
		check.status == "ok"
	}
}

needed(kind) if kind in object.get(step, "evidence", ["smoke"])

# METADATA
# title: The canary passed
# description: >-
#   Where the path asks for it, a canary of exactly this image in the source environment ended with
#   the verdict pass, with enough requests to mean something, and not too long ago.
# custom:
#   code: promotion.canary
#   solution: Watch it again with `invoke canary`, then promote.
deny contains found if {
	step
	not canary_excused
	some problem in canary_problems
	found := lib.finding(rego.metadata.rule(), problem)
}

canary_excused if step.canary == false

canary_problems contains message if {
	not lib.present("canary")
	message := sprintf("No canary of %s has ended.", [lib.value(["image", "digest"])])
}

canary_problems contains message if {
	lib.present("canary")
	not canary_passed
	message := sprintf("The canary did not pass: verdict %s in %s about %s (%s).", [
		lib.value(["evidence", "canary", "facts", "verdict"]),
		lib.value(["evidence", "canary", "facts", "environment"]),
		lib.value(["evidence", "canary", "subject"]),
		lib.said("canary"),
	])
}

canary_problems contains message if {
	canary_passed
	not canary_measured
	message := sprintf("The canary passed on %s requests, fewer than the %v that mean something.", [
		lib.value(["evidence", "canary", "facts", "requests"]),
		canary_requests,
	])
}

canary_problems contains message if {
	canary_passed
	not canary_recent
	message := sprintf("The canary ended at %s, which is not within the last %v hours.", [
		lib.value(["evidence", "canary", "made_at"]),
		canary_hours,
	])
}

canary_passed if {
	lib.passed("canary")
	lib.facts("canary").verdict == "pass"
	lib.facts("canary").environment == input.source
}

default canary_requests := "(not set)"

canary_requests := data.promotion.canary_minimum_requests if {
	is_number(data.promotion.canary_minimum_requests)
}

default canary_hours := "(not set)"

canary_hours := data.promotion.canary_max_age_hours if is_number(data.promotion.canary_max_age_hours)

canary_measured if lib.at_least(lib.facts("canary").requests, data.promotion.canary_minimum_requests)

canary_recent if lib.within(input.evidence.canary.made_at, data.promotion.canary_max_age_hours)

# METADATA
# title: No other evidence speaks against it
# description: >-
#   Evidence of any further kind (a plugin's) is about this image and says ok. A check that could not
#   be made, or settled nothing, is not a pass. Kinds that the path asks for are there.
# custom:
#   code: gate.evidence
#   solution: See what that check says, or what its plugin needs with `invoke doctor`, and promote again.
deny contains found if {
	some kind in other_kinds
	not lib.passed(kind)
	message := sprintf("The evidence %s does not pass %s: its status is %s about %s (%s).", [
		kind,
		lib.value(["image", "digest"]),
		lib.status(kind),
		lib.value(["evidence", kind, "subject"]),
		lib.said(kind),
	])
	found := lib.finding_about(rego.metadata.rule(), message, kind)
}

# Kinds with rules of their own, here or in package image.
own_rules := {"signature", "sbom", "scan", "smoke", "contract", "canary"}

other_kinds := ({kind | some kind, _ in input.evidence} | {kind | some kind in step.evidence}) - own_rules
