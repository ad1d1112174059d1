package promotion

# METADATA
# title: Who consents, and who could
# description: >-
#   What `invoke approvals` shows of one promotion that nobody has asked for yet, from the rules that
#   will judge it: how many approvals it takes, whose count, which roles are lacking, who could give
#   them, why the others do not count, what else stands in the way of any consent, and who may
#   promote.
# entrypoint: true
consent := {
	"needed": approvals_needed,
	"counted": approvers,
	"roles": approver_roles,
	"roles_lacking": roles_lacking,
	"could": could_consent(roles_wanted) - approvers,
	"may_promote": {name |
		some name, _ in data.promotion.people
		person_has(name, step.roles)
	},
	"objections": [entry |
		some index, problems in objections
		entry := {"index": index, "problems": sort(problems)}
	],
	"problems": {found.msg |
		some found in deny
		found.code in {
			"promotion.builder-unknown", "promotion.committers-unknown", "promotion.rejected",
			"promotion.review-unread",
		}
	},
}

# Whose consent would bring it further: those of a lacking role; of any role while too few count.
roles_wanted := approver_roles if {
	not enough_approvals
} else := [role | some role in roles_lacking]
