package migration

import data.lib

# METADATA
# title: It is known what a release migrates
# description: >-
#   A service that declares [migrations] attests with every release which migrations it carries, about
#   exactly its digest and signed by a trusted key. Without that statement nobody knows what a
#   promotion would do to the database.
# custom:
#   code: migration.unknown
#   solution: >-
#     Make the release with `invoke release`, which attests its migrations; a digest that was released
#     before [migrations] was declared is released again.
deny contains found if {
	input.target
	not release_known
	message := sprintf("It is not known what %s migrates: %s.", [
		lib.value(["image", "digest"]),
		lib.value(["release", "problem"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

# METADATA
# title: It is known what has run in the target
# description: >-
#   What is new is what the release that the target holds does not have. Where that one attests
#   nothing, everything counts as new, and nobody can tell what has run already.
# custom:
#   code: migration.baseline
#   solution: >-
#     Let the first release that declares [migrations] migrate nothing, look at its list, and waive this
#     once for {target} by `invoke waive migration.baseline`.
deny contains found if {
	input.target
	release_known
	not held_known
	message := sprintf("What %s holds (%s) does not say what it migrated: %s.", [
		lib.value(["target"]),
		lib.value(["release", "held", "version"]),
		lib.value(["release", "held", "problem"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

# METADATA
# title: A migration that has run stays as it was
# description: >-
#   A tool that has run a migration does not run it again. One that was edited afterwards leaves this
#   environment with something else than every new one gets.
# custom:
#   code: migration.changed
#   solution: Give {about} back the content that it had, and write what is to change as a new migration.
deny contains found if {
	some name in input.release.changed
	message := sprintf("The migration %s has run in %s with another content.", [name, lib.value(["target"])])
	found := lib.finding_about(rego.metadata.rule(), message, name)
}

# METADATA
# title: A release knows every migration that has run
# description: >-
#   A release with fewer migrations than the target has run is an older one: a rollback by another
#   name, without what a rollback is asked.
# custom:
#   code: migration.missing
#   solution: >-
#     To go back, run `invoke rollback --env={target}`. To take back what {about} did, keep its file and
#     write a new migration.
deny contains found if {
	some name in input.release.missing
	message := sprintf("%s has run the migration %s, which this release does not have.", [lib.value(["target"]), name])
	found := lib.finding_about(rego.metadata.rule(), message, name)
}

# METADATA
# title: New migrations come last
# description: >-
#   A migration that sorts before one that has run already came from a branch that was merged late.
#   Some tools skip it, others refuse to start, and a new environment runs it in another order.
# custom:
#   code: migration.order
#   solution: Rename {about} so that it comes last, if your tool runs migrations by their order.
warn contains found if {
	some name in input.release.out_of_order
	message := sprintf("The migration %s is new in %s and sorts before one that has run.", [name, lib.value(["target"])])
	found := lib.finding_about(rego.metadata.rule(), message, name)
}

release_known if input.release.known == true

held_known if is_null(input.release.held)

held_known if input.release.held.known == true
