package promotion

import data.lib

# METADATA
# title: Who made the change is known
# description: >-
#   Nobody approves a change that they wrote or committed themselves. So it is known who did, for
#   every commit since what the target holds, and each address is somebody's: a person's in
#   data.promotion.people, or nobody's who could approve.
# custom:
#   code: promotion.committers-unknown
#   solution: >-
#     Add the addresses to data.promotion.emails (address to the person's name in
#     data.promotion.people, or to "" for somebody who approves nothing), or release from a clean git
#     clone with its whole history. Where this is not wanted, exclude_committers in
#     data.promotion.paths.{source}.{target} says so.
deny contains found if {
	consent_needed
	not committers_may_approve
	some problem in change_problems
	message := sprintf("Nobody can tell whether somebody approves their own change: %s.", [problem])
	found := lib.finding(rego.metadata.rule(), message)
}

objections[index] contains "the person made the change" if {
	some index, approval in input.approvals
	made_the_change(approval.approver.name)
}

made_the_change(name) if {
	not committers_may_approve
	some person in input.change.people
	address_of(person.email, name)
}

committers_may_approve if step.exclude_committers == false

# Addresses that are in no list are then those of people who approve nothing.
strangers_are_outsiders if step.exclude_committers == "listed"

change_problems contains message if {
	not change_known
	message := sprintf("it was not recorded who made the change in %s (%s)", [
		lib.value(["image", "digest"]),
		trim_suffix(lib.value(["change", "problem"]), "."),
	])
}

change_problems contains message if {
	change_known
	not strangers_are_outsiders
	nobodys := sort(strangers)
	nobodys != []
	message := sprintf("%d of the addresses in its commits are nobody's (%s)", [
		count(nobodys),
		concat(", ", array.slice(nobodys, 0, 5)),
	])
}

change_known if {
	input.change.known == true
	people := input.change.people
	count(people) > 0
	every person in people {
		is_string(person.email)
	}
}

strangers contains person.email if {
	some person in input.change.people
	not known_address(person.email)
}

known_address(email) if {
	is_string(email)
	lower(email) in known_addresses
}

# Collected once: comparing every address with every person takes long where there are hundreds.
known_addresses contains lower(address) if {
	some address, owner in data.promotion.emails
	owner in people_and_nobody
}

known_addresses contains lower(name) if {
	some name, _ in data.promotion.people
	name != ""
}

people_and_nobody := {name | some name, _ in data.promotion.people} | {""}

# Git compares nothing; mail servers do not tell upper from lower case.
address_of(email, name) if {
	is_string(email)
	some address, owner in data.promotion.emails
	lower(address) == lower(email)
	owner == name
}

# Where people are named by their addresses no list is needed.
address_of(email, name) if {
	is_string(email)
	lower(name) == lower(email)
	name != ""
}
