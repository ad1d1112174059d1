package promotion

import data.lib

# METADATA
# title: The person is proven
# description: A signature with a known key proves who acts. A login name is only a claim.
# custom:
#   code: identity.unproven
#   solution: >-
#     Set up an SSH key in the site's allowed_signers (see `invoke doctor`), or set rehearsal = true
#     in [identity] where nothing is at stake.
deny contains found if {
	not lib.proven
	not lib.rehearsal
	message := sprintf("%s is not proven (%s only claims it).", [
		lib.value(["actor", "name"]),
		lib.value(["actor", "method"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

# METADATA
# title: A rehearsal is marked
# description: In a rehearsal unproven names are accepted, and every decision says so.
# custom:
#   code: identity.rehearsal
#   solution: Take rehearsal = true out of [identity] before anything is at stake.
warn contains found if {
	lib.rehearsal
	not lib.proven
	message := sprintf("This is a rehearsal: %s is accepted unproven (by %s).", [
		lib.value(["actor", "name"]),
		lib.value(["actor", "method"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}
