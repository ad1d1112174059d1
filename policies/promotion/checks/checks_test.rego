package promotion_test

import data.lib_test as fixture

test_smoke if {
	without("/evidence/smoke") == {"gate.smoke"}
	changed("/evidence/smoke/status", "failed") == {"gate.smoke"}
	changed("/evidence/smoke/status", "no-data") == {"gate.smoke"}
	changed("/evidence/smoke/subject", fixture.other) == {"gate.smoke"}
	changed("/evidence/smoke/facts/checks", []) == {"gate.smoke"}
	changed("/evidence/smoke/facts/checks/0/status", "failed") == {"gate.smoke"}
	without("/evidence/smoke/facts/checks") == {"gate.smoke"}
}

test_smoke_says_how_an_instance_comes_back if {
	some finding in judged(fixture.unset(fixture.promotion, "/evidence/smoke")).deny
	contains(finding.solution, "into canary again")
	contains(finding.solution, "`invoke canary`")
}

test_smoke_is_not_asked_from_a_build_but_heard if {
	built := going("build", "dev", "robot")
	denied(fixture.unset(built, "/evidence/smoke")) == set()
	denied(fixture.set(built, "/evidence/smoke/status", "no-data")) == set()
	denied(fixture.set(built, "/evidence/smoke/status", "failed")) == {"gate.smoke"}
}

test_contract_is_optional_but_heard if {
	good := fixture.evidence("contract", fixture.checks)
	changed("/evidence/contract", good) == set()
	changed("/evidence/contract", object.union(good, {"status": "failed"})) == {"gate.contract"}
	changed("/evidence/contract", object.union(good, {"subject": fixture.other})) == {"gate.contract"}
}

test_contract_can_be_demanded if {
	demanding := object.union(
		data.promotion.paths,
		{"canary": {"production": {"evidence": ["smoke", "contract", "migrations"]}}},
	)
	denied(fixture.promotion) == {"gate.contract", "gate.evidence"} with data.promotion.paths as demanding
}

test_without_a_path_nothing_is_asked_for_that_there_was_nothing_to_look_at_for if {
	nothing := fixture.set(fixture.promotion, "/evidence/contract", fixture.evidence("contract", {}))
	document := object.union(fixture.set(nothing, "/evidence/contract/status", "no-data"), {"source": "dev"})
	denied(document) & {"promotion.path", "gate.contract"} == {"promotion.path"}
}
