package promotion_test

import data.lib_test as fixture
import data.promotion

consent(document) := result if {
	result := promotion.consent with input as document with data.promotion.people as fixture.people
}

nobody_asks := fixture.set(fixture.promotion, "/actor", {"name": "", "method": "", "proven": false, "key": ""})

test_what_counts_and_who_could if {
	consent(nobody_asks) == {
		"needed": 1,
		"counted": {"rita"},
		"roles": ["tech-lead", "release-manager"],
		"roles_lacking": set(),
		"could": set(),
		"may_promote": {"tess", "tom"},
		"objections": [],
		"problems": set(),
	}
	waiting := fixture.set(nobody_asks, "/approvals", [])
	consent(waiting).could == {"rita", "tess", "tom"}
	consent(waiting).counted == set()
}

test_who_has_consented_is_not_asked_again if {
	two := production({"approvals": 2})
	consent(nobody_asks).could == {"tess", "tom"} with data.promotion.paths as two
}

test_only_a_role_is_still_lacking if {
	row := production({"required_roles": ["tech-lead"]})
	consent(nobody_asks).roles_lacking == {"tech-lead"} with data.promotion.paths as row
	consent(nobody_asks).could == {"tess", "tom"} with data.promotion.paths as row
}

test_why_others_do_not_count_and_what_else_is_in_the_way if {
	stale := fixture.set(nobody_asks, "/policy_digest", fixture.other)
	consent(stale).objections == [{"index": 0, "problems": ["it was given under other policies"]}]
	unknown := consent(fixture.set(nobody_asks, "/builder", "")).problems
	some text in unknown
	startswith(text, "It is not known who built")
	count(unknown) == 1
}

test_where_there_is_no_path_nothing_waits if {
	elsewhere := fixture.set(nobody_asks, "/source", "dev")
	count([found | found := consent(elsewhere)]) == 0
}
