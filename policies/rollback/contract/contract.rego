package rollback

import data.lib

# METADATA
# title: The database still has what the image uses
# description: >-
#   A migration that has run here since has dropped or renamed something that the image declares to
#   use, or demands a column that the image does not write. It would fail as soon as it got traffic.
# custom:
#   code: rollback.contract
#   solution: >-
#     Roll forward: release a correction of what serves {environment}. Or bring {about} back by a new
#     migration (its rows from a backup), promote that, and go back then.
deny contains found if {
	some each in input.migrations.broken
	message := sprintf("%s was %s by %s since, and %s %s.", [
		each.what,
		each.how,
		each.migration,
		lib.value(["image", "digest"]),
		each.uses,
	])
	found := lib.finding_about(rego.metadata.rule(), message, each.what)
}

# METADATA
# title: It is known whether the database still has what the image uses
# description: >-
#   The way back must stay open, so what is not known is said and does not refuse.
# custom:
#   code: rollback.contract-unknown
#   solution: >-
#     Compare what has been migrated since with what the image uses, before you rely on it; let releases
#     declare their uses, so that the next time it is known.
warn contains found if {
	input.migrations
	not contract_known
	message := sprintf("It is not known whether the database of %s still has what this image uses: %s.", [
		lib.value(["environment"]),
		lib.value(["migrations", "problem"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

contract_known if input.migrations.known == true
