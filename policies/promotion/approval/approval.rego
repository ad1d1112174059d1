package promotion

import data.lib

# METADATA
# title: Somebody else consents
# description: >-
#   Enough people of the path's approver roles have consented to exactly this image going exactly
#   this way under exactly these policies. Who promotes, who built it and who made the change do not
#   count, and nobody counts twice.
# custom:
#   code: promotion.approval
#   solution: >-
#     Ask a person with one of those roles to run `invoke approve --digest={digest} --to={target}`;
#     `invoke approvals` says who could, and why an approval that is there does not count.
deny contains found if {
	step
	not enough_approvals
	message := sprintf("Going from %s to %s takes %v approval(s) by %s, and %d count%s.", [
		lib.value(["source"]),
		lib.value(["target"]),
		approvals_needed,
		role_names,
		count(approvers),
		reasons,
	])
	found := lib.finding(rego.metadata.rule(), message)
}

approvals_needed := object.get(step, "approvals", 1)

# Somebody has to consent, so it has to be known who may not.
consent_needed if {
	step
	not nobody_is_asked
}

nobody_is_asked if {
	approvals_needed == 0
	required_roles == []
}

role_names := concat(" or ", [sprintf("%v", [role]) | some role in roles]) if {
	roles := approver_roles
	roles != []
} else := "(no role is named)"

# Whoever has a role that is required may consent as well.
approver_roles := array.concat(listed_roles, more) if {
	more := [role | some role in required_roles; not role in listed_roles]
}

listed_roles := roles if {
	roles := step.approvers
	is_array(roles)
} else := []

enough_approvals if {
	needed := approvals_needed
	needed >= 0 # fewer than none is no number of people
	lib.at_least(count(approvers), needed)
}

approvers contains approval.approver.name if {
	some index, approval in input.approvals
	count(object.get(objections, index, set())) == 0
}

reasons := sprintf(" (%s)", [concat("; ", sort(texts))]) if {
	texts := [text |
		some index, _ in input.approvals
		text := sprintf("%s: %s", [approver_of(index), concat(" and ", objections[index])])
	]
	texts != []
} else := ""

approver_of(index) := name if {
	name := lib.value(["approvals", index, "approver", "name"])
	name != ""
} else := "somebody"

# Nobody vouches for what one says that is not valid, so nothing else is said of it.
objections[index] contains message if {
	some index, approval in input.approvals
	not valid(approval)
	message := sprintf("the statement is not valid (%v)", [object.get(approval, "problem", "")])
}

verified[index] := approval if {
	some index, approval in input.approvals
	valid(approval)
}

objections[index] contains "the person is not proven" if {
	some index, approval in verified
	not proven_or_rehearsed(approval)
}

objections[index] contains "the person lacks the role" if {
	some index, approval in verified
	not may_approve(approval)
}

objections[index] contains "the person asks for it" if {
	some index, approval in verified
	not independent(approval)
}

objections[index] contains "the person built it" if {
	some index, approval in verified
	not not_builder(approval)
}

objections[index] contains "it is for another image or path" if {
	some index, approval in verified
	not bound(approval)
}

objections[index] contains "it was given under other policies" if {
	some index, approval in verified
	not same_policies(approval)
}

objections[index] contains "its key speaks for another name as well" if {
	some index, approval in verified
	count(names_of[approval.approver.key]) > 1
}

# Collected once: comparing every approval with every other takes long where there are hundreds.
names_of[approval.approver.key] contains approval.approver.name if {
	some approval in verified
	approval.approver.key != ""
}

objections[index] contains "it is not in force at this time" if {
	some index, approval in verified
	not in_force(approval)
}

valid(approval) if {
	approval.valid == true
	approval.problem == ""
}

proven_or_rehearsed(approval) if approval.approver.proven == true

proven_or_rehearsed(_) if lib.rehearsal

may_approve(approval) if person_has(approval.approver.name, approver_roles)

independent(approval) if {
	approval.approver.name != input.actor.name
	other_key(approval.approver.key, input.actor.key)
}

other_key(mine, theirs) if mine != theirs

other_key("", "")

not_builder(approval) if approval.approver.name != input.builder

bound(approval) if {
	approval.digest == input.image.digest
	approval.source == input.source
	approval.target == input.target
}

# What the person saw is what judges now: rules, thresholds, people and their roles.
same_policies(approval) if {
	approval.policy_digest == input.policy_digest
	input.policy_digest != ""
}

# A review made elsewhere cannot know the policies. It counts where the path says that this will do.
same_policies(approval) if {
	step.reviews == true
	approval.policy_digest == ""
	approval.approver.method in data.promotion.review_methods
}

in_force(approval) if {
	lib.within(approval.made_at, data.promotion.approval_max_age_hours)
	lib.hours_since(approval.expires) < 0
}

# METADATA
# title: The builder is known
# description: >-
#   Who built the image may not approve it. When nobody recorded who that was, or it was only claimed
#   and not proven by a signature, it cannot be checked.
# custom:
#   code: promotion.builder-unknown
#   solution: >-
#     Make the release with `invoke release`, which records who builds; `invoke build` and `invoke sign`
#     by themselves do not. Who runs it needs an SSH key in the site's allowed_signers.
deny contains found if {
	consent_needed
	input.builder == ""
	message := sprintf("It is not known who built %s, so nobody can tell whether its builder approves.", [
		lib.value(["image", "digest"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}
