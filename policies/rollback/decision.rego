# METADATA
# title: Rollback
# description: >-
#   Whether an environment may go back to an image. Going back must be quick, so little is asked:
#   the image is the one that was signed, it has served here before, and who acts is known.
# schemas:
#   - input: schema.rollback.input
package rollback

import data.lib

# METADATA
# title: Decision of the gate rollback
# description: Everything that denies and everything that warns about going back.
# entrypoint: true
decision := {"deny": (deny | signature), "warn": warn, "waivers": data.waiver.judged}

# Of the image's own rules only the signature's: a bad scan must not keep a worse version serving.
signature := {found | some found in data.image.deny; startswith(found.code, "image.signature")}

# METADATA
# title: The image has served here
# description: Going back is to what has been there; anything else is a promotion.
# custom:
#   code: rollback.unknown
#   solution: Choose a digest that has served {environment}; `invoke history` lists them.
deny contains found if {
	not served
	message := sprintf("%s has not served %s before.", [
		lib.value(["image", "digest"]),
		lib.value(["environment"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

served if input.deployed_before == true

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
	not lib.proven
	lib.rehearsal
	message := sprintf("This is a rehearsal: %s is accepted unproven (by %s).", [
		lib.value(["actor", "name"]),
		lib.value(["actor", "method"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

# METADATA
# title: There is something to do
# description: The environment holds this image already.
# custom:
#   code: rollback.noop
#   solution: The tag stays as it is; the instance is started again if it does not run.
warn contains found if {
	input.current == input.image.digest
	message := sprintf("%s holds %s already.", [lib.value(["environment"]), input.image.digest])
	found := lib.finding(rego.metadata.rule(), message)
}
