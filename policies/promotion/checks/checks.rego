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

# Asked for by one kind at a time, which OPA then looks up instead of searching for it.
check_problems[kind] contains message if {
	some kind in evidence_wanted
	not lib.present(kind)
	message := sprintf("There is no %s evidence, and going from %s to %s takes it.", [
		kind,
		lib.value(["source"]),
		lib.value(["target"]),
	])
}

check_problems[kind] contains message if {
	some kind, evidence in input.evidence
	is_object(evidence)
	not lib.passed(kind)
	not excused(kind)
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
	input.evidence[kind].status == "ok"
	not every_check_passed(kind)
	message := sprintf("The %s evidence says ok, but not every check in it does (%s).", [
		kind,
		lib.said(kind),
	])
}

# The path does not ask for it and there was nothing to look at.
excused(kind) if {
	input.evidence[kind].status == "no-data"
	not kind in evidence_wanted
}

every_check_passed(kind) if {
	checks := lib.facts(kind).checks
	count(checks) > 0
	every check in checks {
		check.status == "ok"
	}
}

default evidence_wanted := []

evidence_wanted := object.get(step, "evidence", ["smoke"])
