# METADATA
# title: Waivers
# description: >-
#   Which exceptions count: who may make one, for how long, and not for what that person asks for.
#   What each is about is compared with the findings afterwards, so that an excused finding stays in
#   the decision.
package waiver

import data.lib

# METADATA
# title: What a gate says about its waivers
# description: >-
#   For each waiver of the input, by its id, why it does not count (nothing: it counts), and what is
#   to be said of one that a decision rests on.
judged := {"objections": objections_of, "warn": warn}

objections_of[id] := object.get(objections, id, set()) if {
	some waiver in input.waivers
	id := waiver.id
}

objections[waiver.id] contains message if {
	some waiver in input.waivers
	not valid(waiver)
	message := sprintf("it is not valid (%v)", [object.get(waiver, "problem", "")])
}

objections[waiver.id] contains message if {
	some waiver in input.waivers
	not vouched_for(waiver)
	message := sprintf("nobody signed it; sign one by `invoke waive %v`, or set data.waiver.unsigned", [object.get(waiver, "code", "CODE")])
}

objections[waiver.id] contains "the person is not proven" if {
	some waiver in signed
	not proven_or_rehearsed(waiver)
}

objections[waiver.id] contains message if {
	some waiver in signed
	not may_waive(waiver)
	message := sprintf("the person has none of the roles %v", [concat(", ", waiving_roles)])
}

objections[waiver.id] contains "the person asks for this promotion" if {
	some waiver in signed
	not independent(waiver)
}

objections[waiver.id] contains message if {
	some waiver in signed
	not short_enough(waiver)
	message := sprintf("it lasts longer than %v days", [longest])
}

objections[waiver.id] contains "it is dated in the future" if {
	some waiver in signed
	not made_before(waiver)
}

objections[waiver.id] contains message if {
	some waiver in input.waivers
	not narrow_enough(waiver)
	code := object.get(waiver, "code", "(missing)")
	message := sprintf("a waiver of %v has to name which (%v/...) or a package", [code, code])
}

valid(waiver) if waiver.valid == true

vouched_for(waiver) if waiver.signed == true

vouched_for(_) if data.waiver.unsigned == true

vouched_for(_) if lib.rehearsal

# Nobody vouches for what stands in one that is not valid, its times least of all.
signed contains waiver if {
	some waiver in input.waivers
	valid(waiver)
	waiver.signed == true
}

proven_or_rehearsed(waiver) if waiver.proven == true

proven_or_rehearsed(_) if lib.rehearsal

may_waive(waiver) if {
	some role in data.promotion.people[waiver.owner]
	role in waiving_roles
}

independent(_) if data.waiver.by_requester == true

independent(waiver) if {
	waiver.owner != input.actor.name
	other_key(waiver.key, input.actor.key)
}

independent(_) if input.gate == "image" # nobody asks there

other_key(mine, theirs) if mine != theirs

other_key("", "")

short_enough(waiver) if {
	is_number(longest)
	lib.hours_since(waiver.made_at) - lib.hours_since(waiver.expires) <= longest * 24
}

made_before(waiver) if lib.hours_since(waiver.made_at) >= (0 - data.lib.clock_skew_minutes) / 60

narrow_enough(waiver) if contains(waiver.code, "/")

narrow_enough(waiver) if waiver.package != ""

narrow_enough(waiver) if {
	lib.texts(data.waiver.narrow)
	every code in data.waiver.narrow {
		code != waiver.code
	}
}

# A setting in a form that nobody understands gives nobody the right.
default waiving_roles := []

waiving_roles := data.waiver.roles if {
	is_array(data.waiver.roles)
	every role in data.waiver.roles {
		is_string(role)
	}
}

default longest := "(not set)"

longest := data.waiver.max_days if is_number(data.waiver.max_days)

# METADATA
# title: An exception ends soon
# description: >-
#   What was let through by a waiver is refused from its end on. A decision that rests on one that
#   ends within data.waiver.warn_days, and of whose time half is over, says so.
# custom:
#   code: waiver.expiring
#   solution: >-
#     Mend what {about} excuses before then, or sign another by `invoke waive CODE`; `invoke waivers`
#     lists them.
warn contains found if {
	some waiver in input.waivers
	valid(waiver)
	not lasts(waiver)
	message := sprintf("The waiver %v by %v ends at %v.", [
		waiver.id,
		object.get(waiver, "owner", "(missing)"),
		object.get(waiver, "expires", "(missing)"),
	])
	found := lib.finding_about(rego.metadata.rule(), message, waiver.id)
}

lasts(waiver) if {
	is_number(data.waiver.warn_days)
	lib.hours_since(waiver.expires) < 0 - (data.waiver.warn_days * 24)
}

# One that was meant to be short need not be said to end soon from its first minute on.
lasts(waiver) if {
	is_number(data.waiver.warn_days)
	waiver.made_at != ""
	lib.hours_since(waiver.made_at) + lib.hours_since(waiver.expires) < 0
}
