package promotion

import data.lib

# METADATA
# title: The person may do this
# description: >-
#   Who promotes has, by data.promotion.people, one of the roles that the path demands: CI from the
#   build to dev, a developer to staging, a tech lead to canary and to production.
# custom:
#   code: promotion.role
#   solution: >-
#     Ask one of those to run `invoke promote --from={source} --to={target}`, or give the person the
#     role in data.promotion.people.
deny contains found if {
	step
	not has_role
	message := sprintf("%s (%s) may not promote from %s to %s; that takes the role %s.", [
		lib.value(["actor", "name"]),
		roles_of(lib.value(["actor", "name"])),
		lib.value(["source"]),
		lib.value(["target"]),
		demanded_roles,
	])
	found := lib.finding(rego.metadata.rule(), message)
}

# Of a setting that is no list of texts there is no sentence, and the refusal needs one.
demanded_roles := concat(" or ", step.roles) if {
	lib.texts(step.roles)
} else := sprintf("%v", [object.get(step, "roles", [])])

has_role if person_has(input.actor.name, step.roles)

person_has(name, roles) if {
	some role in roles_held(name)
	role in roles
}

# What is no list of texts (`{"ada": "ci"}`) gives nobody a role.
roles_held(name) := data.promotion.people[name] if {
	lib.texts(data.promotion.people[name])
}

roles_of(name) := concat(", ", roles_held(name)) if {
	count(roles_held(name)) > 0
} else := sprintf("%v, which is no list of roles", [held]) if {
	held := data.promotion.people[name]
	not lib.texts(held)
} else := "no role"
