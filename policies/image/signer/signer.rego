package image

import data.lib

# METADATA
# title: Somebody who may sign for the target signed it
# description: >-
#   Where data.image.signers has rows, a signature that verifies is by a key or an identity that a
#   row for the target lists. Any trusted key will do while it is empty. Without a target (an image
#   judged by itself) every row counts.
# custom:
#   code: image.signer
#   solution: >-
#     Sign {repository}@{digest} by `invoke sign` with one of the keys that data.image.signers lists
#     for {target}; `invoke verify` shows whose signatures are there.
deny contains found if {
	data.image.signers != []
	signers_understood
	not signed_by_one_who_may
	message := sprintf("Nobody who may sign for %s signed %s; it is signed by %s.", [
		judged_for,
		lib.value(["image", "digest"]),
		signed_by,
	])
	found := lib.finding(rego.metadata.rule(), message)
}

signed_by_one_who_may if {
	signed
	lib.about_image("signature")
	some key in input.evidence.signature.facts.keys
	key in may_sign
}

may_sign contains key if {
	some row in data.image.signers
	for_this_target(row)
	some key in row.keys
}

for_this_target(row) if lib.covers(row.environments, input.target)

for_this_target(_) if not judged_for_a_target

judged_for_a_target if input.target

judged_for := input.target if {
	judged_for_a_target
} else := "any environment"

signed_by := concat(", ", input.evidence.signature.facts.keys) if {
	count(input.evidence.signature.facts.keys) > 0
} else := "nobody"

# METADATA
# title: Who may sign is said in a form that is understood
# description: >-
#   data.image.signers is a list of objects of "environments" (names, or "all") and "keys" (as
#   `invoke verify` shows them). In any other form nobody knows who may, so nobody does.
# custom:
#   code: image.signer
#   solution: >-
#     Write data.image.signers as docs/policies.md shows it, for example [{"environments": "all",
#     "keys": ["SHA256:..."]}].
deny contains found if {
	not signers_understood
	found := lib.finding(rego.metadata.rule(), "The policy's setting image.signers is not understood.")
}

signers_understood if {
	is_array(data.image.signers)
	every row in data.image.signers {
		is_object(row)
		object.keys(row) == {"environments", "keys"}
		lib.environments(row.environments)
		lib.texts(row.keys)
	}
}
