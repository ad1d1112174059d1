package image

import data.lib

# METADATA
# title: The image's revision is on a protected branch
# description: >-
#   Where data.image.provenance.branches lists any, the revision was on one of them when the image
#   was built, as git knew it there. Of a work tree with changes of its own that is never said.
# custom:
#   code: image.branch
#   solution: >-
#     Merge it, fetch the branch where releases are built, and make the release from there by
#     `invoke release`.
deny contains found if {
	data.image.provenance.branches != []
	provenance_understood
	not on_a_protected_branch
	message := sprintf("The revision %q of %s is on %s, and on none of %s.", [
		lib.value(["evidence", "provenance", "facts", "revision"]),
		lib.value(["image", "digest"]),
		known_branches,
		concat(", ", data.image.provenance.branches),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

on_a_protected_branch if {
	lib.passed("provenance")
	some branch in input.evidence.provenance.facts.branches
	branch in data.image.provenance.branches
}

known_branches := concat(", ", input.evidence.provenance.facts.branches) if {
	count(input.evidence.provenance.facts.branches) > 0
} else := "no branch that is known"
