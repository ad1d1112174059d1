package promotion

import data.lib

# METADATA
# title: Nobody has rejected it
# description: >-
#   A reviewer who was asked and said no is heard, whoever else said yes. It takes no role to say no.
# custom:
#   code: promotion.rejected
#   solution: >-
#     Ask {about} why. A rejection stays with the review that it was given in: change what was
#     rejected, or begin another review.
deny contains found if {
	some index, approval in input.approvals
	approval.verdict == "rejected"
	not elsewhere(approval)
	message := sprintf("%s rejected %s for %s (%v).", [
		approver_of(index),
		lib.value(["image", "digest"]),
		lib.value(["target"]),
		remark(approval),
	])
	found := lib.finding_about(rego.metadata.rule(), message, approver_of(index))
}

# METADATA
# title: Every review could be read
# description: >-
#   A review that cannot be read, or that says neither yes nor no, may be a rejection.
# custom:
#   code: promotion.review-unread
#   solution: >-
#     Run `invoke doctor` and put right what keeps {about} from being asked, then promote again.
deny contains found if {
	some index, approval in input.approvals
	not says_something(approval)
	not elsewhere(approval)
	message := sprintf("What %s says about %s for %s is not known (%v).", [
		approver_of(index),
		lib.value(["image", "digest"]),
		lib.value(["target"]),
		object.get(approval, "problem", ""),
	])
	found := lib.finding_about(rego.metadata.rule(), message, approver_of(index))
}

objections[index] contains "it does not approve" if {
	some index, approval in input.approvals
	not approves(approval)
}

approves(approval) if approval.verdict == "approved"

says_something(approval) if approval.verdict in ["approved", "rejected"]

# Certainly about something else. What lacks a field is not.
elsewhere(approval) if approval.digest != input.image.digest

elsewhere(approval) if approval.target != input.target

remark(approval) := approval.reason if {
	approval.reason != ""
} else := "no reason was given"
