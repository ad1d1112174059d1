package promotion_test

import data.lib_test as fixture

demanding(roles) := production({"approvals": 2, "required_roles": roles})

# Two of three: tess and rita may, and so may theo.
three := object.union(fixture.people, {"theo": ["tech-lead"]})

theo := object.union(
	fixture.promotion.approvals[0],
	{"approver": {"name": "theo", "method": "ssh", "proven": true, "key": "SHA256:theo"}},
)

test_two_of_three_with_the_required_role_pass if {
	denied(both) == set() with data.promotion.paths as demanding(["release-manager"])
}

test_two_of_three_without_it_are_refused_and_told_who_could if {
	document := fixture.set(fixture.promotion, "/approvals", [tess, theo])
	some found in promotion_denials(document)
	found.code == "promotion.approval-role"
	found.msg == concat("", [
		"Going from canary to production takes the consent of a release-manager, and none counts; ",
		"rita could give it.",
	])
	contains(found.solution, sprintf("invoke approve --digest=%s --to=production", [fixture.digest]))
}

promotion_denials(document) := found if {
	found := data.promotion.decision.deny with input as document
		with data.promotion.people as three
		with data.promotion.paths as demanding(["release-manager"])
}

test_without_the_role_nothing_else_is_missing if {
	document := fixture.set(fixture.promotion, "/approvals", [tess, theo])
	fixture.codes(promotion_denials(document)) == {"promotion.approval-role"}
}

test_every_required_role_is_required if {
	row := demanding(["release-manager", "ci"])
	denied(both) == {"promotion.approval-role"} with data.promotion.paths as row
	contains(said(both), "of a ci, and none counts; nobody in data.promotion.people could give it") with data.promotion.paths as row
}

test_one_person_may_hold_several_required_roles if {
	several := object.union(fixture.people, {"rita": ["release-manager", "security"]})
	row := production({"required_roles": ["release-manager", "security"]})
	found := data.promotion.decision.deny with input as fixture.promotion
		with data.promotion.people as several
		with data.promotion.paths as row
	found == set()
}

test_a_required_role_may_consent_though_it_is_no_approver if {
	row := production({"approvers": ["tech-lead"], "required_roles": ["release-manager"]})
	denied(fixture.promotion) == set() with data.promotion.paths as row
	denied(fixture.promotion) == {"promotion.approval"} with data.promotion.paths as production({"approvers": ["tech-lead"]})
	contains(
		said(fixture.set(fixture.promotion, "/approvals", [])),
		"by tech-lead or release-manager, and",
	) with data.promotion.paths as row
}

test_who_could_takes_no_part_in_it if {
	lost := fixture.set(fixture.promotion, "/approvals", [])
	leads := production({"required_roles": ["tech-lead"]})
	contains(said(lost), "of a tech-lead, and none counts; tess could give it") with data.promotion.paths as leads
	contains(
		said(fixture.set(lost, "/builder", "tess")),
		"of a tech-lead, and none counts; nobody",
	) with data.promotion.paths as leads
	contains(
		said(fixture.set(lost, "/change/people/0/email", "tess")),
		"of a tech-lead, and none counts; nobody",
	) with data.promotion.paths as leads
}

test_roles_that_are_no_list_demand_more_and_not_less if {
	every roles in ["release-manager", null, 1, true, {"a": "release-manager"}] {
		found := denied(fixture.promotion) with data.promotion.paths as production({"required_roles": roles})
		found == {"promotion.approval-role"}
	}
	contains(
		said(fixture.promotion),
		"are release-manager, which is not a list of roles",
	) with data.promotion.paths as production({"required_roles": "release-manager"})
}
