package promotion

import data.lib

# METADATA
# title: No freeze is in force
# description: >-
#   While one of data.promotion.freezes is in force for the target, nothing goes there, except by a
#   person who has one of the roles that it names. A freeze begins with its first second and ends
#   before its last. Times have an offset from UTC and follow no daylight saving.
# custom:
#   code: promotion.freeze
#   solution: >-
#     Wait until it ends, or ask a person with one of its roles to run
#     `invoke promote --from={source} --to={target}`. A rollback is never frozen.
deny contains found if {
	some index, freeze in data.promotion.freezes
	index in freezes_in_force
	not goes_all_the_same(freeze)
	message := sprintf("%s is frozen %s: %s (%s). %s.", [
		lib.value(["target"]),
		frozen_until(freeze),
		freeze.name,
		freeze.reason,
		who_may(freeze),
	])
	found := lib.finding_about(rego.metadata.rule(), message, freeze.name)
}

# METADATA
# title: Going in spite of a freeze is marked
# description: Who has one of the roles that a freeze names may go all the same; the decision says so.
# custom:
#   code: promotion.freeze
#   solution: Nothing needs doing; it is written down that {target} was frozen.
warn contains found if {
	some index, freeze in data.promotion.freezes
	index in freezes_in_force
	goes_all_the_same(freeze)
	message := sprintf("%s is frozen %s: %s (%s). %s goes all the same.", [
		lib.value(["target"]),
		frozen_until(freeze),
		freeze.name,
		freeze.reason,
		lib.value(["actor", "name"]),
	])
	found := lib.finding_about(rego.metadata.rule(), message, freeze.name)
}

# METADATA
# title: A freeze is for an environment that exists
# description: >-
#   A freeze that names none of this service's environments holds nothing here. That is right for one
#   that is meant for another service, and a slip where a name is misspelt.
# custom:
#   code: promotion.freeze
#   solution: >-
#     Correct environments of the freeze {about} in data.promotion.freezes, if it was meant for {service}.
warn contains found if {
	some freeze in data.promotion.freezes
	freeze_understood(freeze)
	not for_some_environment(freeze)
	message := sprintf("The freeze %s names %s, and %s has %s.", [
		freeze.name,
		concat(", ", freeze.environments),
		lib.value(["service"]),
		concat(", ", object.get(input, "environments", [])),
	])
	found := lib.finding_about(rego.metadata.rule(), message, freeze.name)
}

for_some_environment(freeze) if {
	some name in input.environments
	lib.covers(freeze.environments, name)
}

goes_all_the_same(freeze) if person_has(input.actor.name, freeze.roles)

who_may(freeze) := sprintf("Who may go all the same: %s", [concat(" or ", freeze.roles)]) if {
	count(freeze.roles) > 0
} else := "Nobody may go all the same"

freezes_in_force contains index if {
	some index, freeze in data.promotion.freezes
	freeze_understood(freeze)
	lib.covers(freeze.environments, input.target)
	frozen_now(freeze)
}

# METADATA
# title: Freezes are said in a form that is understood
# description: >-
#   data.promotion.freezes is a list of objects of "name", "reason", "environments" (names, or
#   "all"), "roles", and either "from" and "to" (moments of RFC 3339) or "weekly". Nobody knows when
#   a freeze in any other form holds, so it always does.
# custom:
#   code: promotion.freeze
#   solution: Write data.promotion.freezes as docs/policies.md shows it.
deny contains found if {
	some text in freezes_not_understood
	found := lib.finding(rego.metadata.rule(), text)
}

freezes_not_understood contains "The policy's setting promotion.freezes is not a list." if {
	not freezes_listed
}

freezes_listed if is_array(data.promotion.freezes)

freezes_not_understood contains text if {
	some index, freeze in data.promotion.freezes
	not freeze_understood(freeze)
	text := sprintf("The policy's setting promotion.freezes is not understood: entry %v (%v).", [
		index,
		freeze_called(freeze),
	])
}

freeze_called(freeze) := object.get(freeze, "name", "without name") if {
	is_object(freeze)
} else := "not an object"
