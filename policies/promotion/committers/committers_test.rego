package promotion_test

import data.lib_test as fixture

made_by(email) := fixture.set(fixture.promotion, "/change/people/0/email", email)

test_who_made_the_change_does_not_count if {
	denied(made_by("rita")) == {"promotion.approval"}
	contains(said(made_by("rita")), "(rita: the person made the change)")
}

test_addresses_are_looked_up_whatever_their_case if {
	listed := {"Rita@Example.org": "rita", "bot@example.org": ""}
	denied(made_by("rita@example.ORG")) == {"promotion.approval"} with data.promotion.emails as listed
	denied(made_by("BOT@example.org")) == set() with data.promotion.emails as listed
	denied(made_by("anna@example.org")) == {"promotion.committers-unknown"} with data.promotion.emails as listed
	denied(made_by("RITA")) == {"promotion.approval"}
}

test_an_address_of_nobody_refuses_unless_the_path_says_otherwise if {
	denied(made_by("who@example.org")) == {"promotion.committers-unknown"}
	contains(said(made_by("who@example.org")), "1 of the addresses in its commits are nobody's (who@example.org)")
	denied(made_by("who@example.org")) == set() with data.promotion.paths as production({"exclude_committers": "listed"})
	denied(made_by("rita")) == {"promotion.approval"} with data.promotion.paths as production({"exclude_committers": "listed"})
}

test_an_address_without_a_letter_is_nobodys if {
	listed := object.union(fixture.people, {"": ["developer"]})
	found := data.promotion.decision.deny with input as made_by("") with data.promotion.people as listed
	fixture.codes(found) == {"promotion.committers-unknown"}
}

test_an_address_of_somebody_who_is_in_no_list_of_people_is_nobodys if {
	every owner in ["rtia", null, ["rita"], 1] {
		found := denied(made_by("r@example.org")) with data.promotion.emails as {"r@example.org": owner}
		found == {"promotion.committers-unknown"}
	}
	denied(made_by("r@example.org")) == {"promotion.approval"} with data.promotion.emails as {"r@example.org": "rita"}
	denied(made_by("r@example.org")) == set() with data.promotion.emails as {"r@example.org": "tess"}
}

test_what_is_not_known_refuses if {
	changed("/change/known", false) == {"promotion.committers-unknown"}
	changed("/change/people", []) == {"promotion.committers-unknown"}
	changed("/change/people/0/email", 7) == {"promotion.committers-unknown"}
	every path in ["/change", "/change/known", "/change/people", "/change/people/0/email"] {
		without(path) == {"promotion.committers-unknown"}
	}
	document := fixture.set(fixture.promotion, "/change/known", false)
	contains(
		said(fixture.set(document, "/change/problem", "a shallow clone.")),
		"it was not recorded who made the change in sha256:aaaa",
	)
	contains(said(fixture.set(document, "/change/problem", "a shallow clone.")), "(a shallow clone).")
}

test_what_is_not_known_is_listed_as_well_when_strangers_are_outsiders if {
	row := production({"exclude_committers": "listed"})
	changed("/change/known", false) == {"promotion.committers-unknown"} with data.promotion.paths as row
}

test_a_path_may_let_those_who_made_the_change_approve if {
	row := production({"exclude_committers": false})
	denied(made_by("rita")) == set() with data.promotion.paths as row
	without("/change") == set() with data.promotion.paths as row
	every other in [true, null, 0, "false", "no"] {
		found := denied(made_by("rita")) with data.promotion.paths as production({"exclude_committers": other})
		found == {"promotion.approval"}
	}
}

test_where_nobody_has_to_consent_nobody_asks_who_made_it if {
	denied(fixture.unset(going("dev", "staging", "anna"), "/change")) == set()
}

test_many_addresses_are_not_all_told if {
	many := [{"name": "x", "email": sprintf("p%d@x", [number])} | some number in numbers.range(1, 9)]
	text := said(fixture.set(fixture.promotion, "/change/people", many))
	contains(text, "9 of the addresses")
	contains(text, "(p1@x, p2@x, p3@x, p4@x, p5@x).")
}
