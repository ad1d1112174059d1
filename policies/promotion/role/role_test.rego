package promotion_test

import data.lib_test as fixture
import data.promotion

test_roles if {
	denied(going("build", "dev", "anna")) == {"promotion.role"}
	denied(going("dev", "staging", "robot")) == {"promotion.role"}
	denied(going("staging", "canary", "anna")) == {"promotion.role"}
	changed("/actor/name", "rita") == {"promotion.approval", "promotion.role"}
	changed("/actor/name", "mallory") == {"promotion.role"}
	without("/actor/name") == {"promotion.approval", "promotion.role"}
}

test_a_role_refusal_says_who_and_what_it_takes if {
	some found in judged(going("staging", "canary", "anna")).deny
	found.msg == "anna (developer) may not promote from staging to canary; that takes the role tech-lead."
	some nobody in judged(going("staging", "canary", "mallory")).deny
	startswith(nobody.msg, "mallory (no role) may not")
}

test_a_person_without_roles_has_no_role if {
	nobody := object.union(fixture.people, {"anna": []})
	some found in promotion.decision.deny with input as going("dev", "staging", "anna")
		with data.promotion.people as nobody
	startswith(found.msg, "anna (no role) may not")
}

test_roles_in_another_form_give_nobody_the_role_and_it_is_said if {
	every wrong in [null, "tech-lead", {"tech-lead": true}, [["tech-lead"]]] {
		text := promotion.demanded_roles with input as fixture.promotion
			with data.promotion.paths as with_row({"roles": wrong})
		is_string(text)
	}
	some found in judged(fixture.promotion).deny with data.promotion.paths as with_row({"roles": "tech-lead"})
	found.msg == "tom (tech-lead) may not promote from canary to production; that takes the role tech-lead."
}

test_a_person_whose_roles_are_no_list_has_none_and_it_is_said if {
	every wrong in ["developer", {"first": "developer"}, ["developer", 3]] {
		people := object.union_n([fixture.people, {"anna": null}, {"anna": wrong}])
		deny := promotion.decision.deny with input as going("dev", "staging", "anna")
			with data.promotion.people as people
		some found in deny
		found.code == "promotion.role"
		startswith(found.msg, sprintf("anna (%v, which is no list of roles) may not", [wrong]))
	}
}
