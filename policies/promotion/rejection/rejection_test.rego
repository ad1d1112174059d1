package promotion_test

import data.lib_test as fixture

no_from(more) := fixture.set(
	fixture.promotion, "/approvals/1",
	object.union(
		object.union(review, {"verdict": "rejected", "reason": "Not before Monday."}),
		more,
	),
)

test_a_rejection_refuses_though_enough_others_approve if {
	denied(no_from({})) == {"promotion.rejected"}
	some found in judged_findings(no_from({}))
	found.msg == sprintf("rita rejected %s for production (Not before Monday.).", [fixture.digest])
	found.about == "rita"
	contains(found.solution, "Ask rita why")
}

judged_findings(document) := judged(document).deny

test_a_rejection_takes_no_role_no_proof_and_does_not_expire if {
	every more in [
		{"approver": {"name": "github:who", "method": "github-review", "proven": false, "key": ""}},
		{"valid": false, "problem": "the login is nobody's"},
		{"expires": "2026-11-24T11:59:00Z"},
	] {
		denied(no_from(more)) == {"promotion.rejected"}
	}
}

test_a_rejection_of_something_else_is_not_about_this if {
	denied(no_from({"digest": fixture.other})) == set()
	denied(no_from({"target": "staging"})) == set()
	every path in ["digest", "target", "reason"] {
		document := fixture.unset(no_from({}), sprintf("/approvals/1/%s", [path]))
		denied(document) == {"promotion.rejected"}
	}
	contains(said(no_from({"reason": ""})), "(no reason was given)")
}

test_a_rejection_does_not_count_as_an_approval if {
	document := fixture.set(fixture.promotion, "/approvals/0/verdict", "rejected")
	denied(document) == {"promotion.approval", "promotion.rejected"}
	contains(said(document), "(rita: it does not approve)")
}

test_what_cannot_be_read_may_be_a_rejection if {
	unread := {"verdict": "unknown", "valid": false, "problem": "nobody answers"}
	denied(no_from(unread)) == {"promotion.review-unread"}
	some found in judged_findings(no_from(unread))
	found.msg == sprintf("What rita says about %s for production is not known (nobody answers).", [fixture.digest])
	contains(found.solution, "keeps rita from")
	denied(fixture.unset(no_from({}), "/approvals/1/verdict")) == {"promotion.review-unread"}
	denied(no_from(object.union(unread, {"target": "staging"}))) == set()
	without("/approvals/0/verdict") == {"promotion.approval", "promotion.review-unread"}
}
