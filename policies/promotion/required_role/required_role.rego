package promotion

import data.lib

# METADATA
# title: The required roles consent
# description: >-
#   Where the path names required_roles, each of them is held by somebody whose approval counts. One
#   person who holds several of them fills them all; nobody consents for a role by two names.
# custom:
#   code: promotion.approval-role
#   solution: >-
#     Ask one of those to run `invoke approve --digest={digest} --to={target}`, or give somebody the role in
#     data.promotion.people.
deny contains found if {
	some role in roles_lacking
	message := sprintf("Going from %s to %s takes the consent of a %v, and none counts; %s.", [
		lib.value(["source"]),
		lib.value(["target"]),
		role,
		who_could([role]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

# METADATA
# title: The required roles are a list
# description: The setting required_roles of a path is a list of roles; anything else names nobody.
# custom:
#   code: promotion.approval-role
#   solution: >-
#     Write required_roles as a list of texts in data.promotion.paths.{source}.{target}.
deny contains found if {
	step
	not is_array(required_roles)
	message := sprintf("The required_roles from %s to %s are %v, which is not a list of roles.", [
		lib.value(["source"]),
		lib.value(["target"]),
		required_roles,
	])
	found := lib.finding(rego.metadata.rule(), message)
}

required_roles := object.get(step, "required_roles", [])

roles_lacking contains role if {
	some role in required_roles
	not role_given(role)
}

role_given(role) if {
	some name in approvers
	person_has(name, [role])
}

who_could(roles) := sprintf("%s could give it", [concat(" or ", sort(names))]) if {
	names := could_consent(roles)
	count(names) > 0
} else := "nobody in data.promotion.people could give it"

# People whose approval would count: with the role, and with no part in this change or its request.
could_consent(roles) := {name |
	some name, _ in data.promotion.people
	person_has(name, roles)
	not takes_part(name)
}

takes_part(name) if name == input.actor.name

takes_part(name) if name == input.builder

takes_part(name) if made_the_change(name)
