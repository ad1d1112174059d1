package promotion_test

import data.lib_test as fixture
import data.promotion

# An approval is bound to the policies that the person saw.

test_an_approval_under_other_policies_does_not_count if {
	changed("/policy_digest", fixture.other) == {"promotion.approval"}
	approval("/policy_digest", fixture.other) == {"promotion.approval"}
	approval("/policy_digest", "") == {"promotion.approval"}
	contains(
		said(fixture.set(fixture.promotion, "/policy_digest", fixture.other)),
		"(rita: it was given under other policies)",
	)
}

test_no_policies_are_not_the_same_policies if {
	unnamed := fixture.set(fixture.promotion, "/policy_digest", "")
	denied(fixture.set(unnamed, "/approvals/0/policy_digest", "")) == {"promotion.approval"}
	without("/policy_digest") == {"promotion.approval"}
	without("/approvals/0/policy_digest") == {"promotion.approval"}
	document := fixture.unset(fixture.promotion, "/policy_digest")
	denied(fixture.unset(document, "/approvals/0/policy_digest")) == {"promotion.approval"}
}

test_an_approval_is_not_believed_for_longer_than_the_site_says if {
	old := fixture.set(fixture.promotion, "/approvals/0/made_at", "2026-10-25T12:00:00Z")
	denied(old) == set()
	changed("/approvals/0/made_at", "2026-10-25T11:59:59Z") == {"promotion.approval"}
	denied(fixture.promotion) == {"promotion.approval"} with data.promotion.approval_max_age_hours as 0.4
	denied(fixture.promotion) == {"promotion.approval"} with data.promotion.approval_max_age_hours as null
}

# A review made elsewhere does not know the policies.

review := object.union(fixture.promotion.approvals[0], {
	"approver": {"name": "rita", "method": "github-review", "proven": true, "key": "github:7"},
	"policy_digest": "",
})

reviewed := fixture.set(fixture.promotion, "/approvals", [review])

production(more) := object.union(
	data.promotion.paths,
	{"canary": {"production": object.union(data.promotion.paths.canary.production, more)}},
)

test_a_review_counts_where_the_path_takes_reviews if {
	denied(reviewed) == {"promotion.approval"}
	denied(reviewed) == set() with data.promotion.paths as production({"reviews": true})
	every other in [false, null, "true", 1] {
		denied(reviewed) == {"promotion.approval"} with data.promotion.paths as production({"reviews": other})
	}
}

test_only_a_review_may_not_know_the_policies if {
	signed := fixture.set(reviewed, "/approvals/0/approver/method", "ssh")
	bound := fixture.set(reviewed, "/approvals/0/policy_digest", fixture.other)
	absent := fixture.unset(reviewed, "/approvals/0/policy_digest")
	every document in [signed, bound, absent] {
		denied(document) == {"promotion.approval"} with data.promotion.paths as production({"reviews": true})
	}
	denied(reviewed) == {"promotion.approval"} with data.promotion.review_methods as []
		with data.promotion.paths as production({"reviews": true})
}

# One person, one voice.

tess := object.union(
	fixture.promotion.approvals[0],
	{"approver": {"name": "tess", "method": "ssh", "proven": true, "key": "SHA256:tess"}},
)

both := fixture.set(fixture.promotion, "/approvals/1", tess)

test_one_person_with_two_keys_counts_once if {
	second := object.union(fixture.promotion.approvals[0], {"approver": {
		"name": "rita",
		"method": "ssh",
		"proven": true,
		"key": "SHA256:rita-2",
	}})
	two := production({"approvals": 2})
	document := fixture.set(fixture.promotion, "/approvals/1", second)
	denied(document) == {"promotion.approval"} with data.promotion.paths as two
	denied(both) == set() with data.promotion.paths as two
	contains(said(document), "and 1 count.") with data.promotion.paths as two
}

test_one_key_under_two_names_is_nobodys if {
	one_key := fixture.set(both, "/approvals/1/approver/key", "SHA256:rita")
	denied(one_key) == {"promotion.approval"}
	contains(said(one_key), "rita: its key speaks for another name as well")
	contains(said(one_key), "tess: its key speaks for another name as well")
}

test_a_key_that_proves_nothing_does_not_spoil_one_that_does if {
	forged := fixture.set(both, "/approvals/1/approver/key", "SHA256:rita")
	denied(fixture.set(forged, "/approvals/1/valid", false)) == set()
	swapped := fixture.set(both, "/approvals/0/approver/key", "SHA256:tess")
	denied(fixture.set(swapped, "/approvals/0/valid", false)) == set()
	neither := fixture.set(fixture.set(swapped, "/approvals/0/valid", false), "/approvals/1/valid", false)
	count([text | text := said(neither); contains(text, "its key speaks")]) == 0
}

test_in_a_rehearsal_two_people_may_have_no_key if {
	keyless := fixture.set(
		fixture.set(both, "/approvals/0/approver/key", ""),
		"/approvals/1/approver/key", "",
	)
	rehearsed := fixture.set(fixture.set(keyless, "/actor/key", ""), "/rehearsal", true)
	denied(rehearsed) == set() with data.promotion.paths as production({"approvals": 2})
}

test_a_number_of_approvals_that_is_none_is_not_met if {
	every many in ["1", null, [], true] {
		"promotion.approval" in denied(fixture.promotion) with data.promotion.paths as production({"approvals": many})
	}
}

test_the_builder_matters_where_only_a_role_has_to_consent if {
	row := production({"approvals": 0, "required_roles": ["release-manager"]})
	document := fixture.set(fixture.promotion, "/builder", "")
	denied(document) == {"promotion.builder-unknown"} with data.promotion.paths as row
	denied(document) == set() with data.promotion.paths as production({"approvals": 0})
}

test_a_path_that_names_no_role_says_so if {
	row := production({"approvers": null})
	some found in promotion.decision.deny with input as fixture.promotion
		with data.promotion.people as fixture.people
		with data.promotion.paths as row
	contains(found.msg, "by (no role is named)")
}
