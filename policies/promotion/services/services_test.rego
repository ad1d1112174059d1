package promotion_test

import data.promotion

straight := {"build": {"production": {
	"approvals": 0,
	"approvers": [],
	"canary": false,
	"evidence": [],
	"roles": ["ci"],
}}}

test_a_service_may_have_paths_of_its_own if {
	own := {"settlement": {"paths": straight}}
	denied(going("build", "production", "robot")) == set() with data.promotion.services as own
	"promotion.path" in denied(going("build", "dev", "robot")) with data.promotion.services as own
	some found in judged(going("build", "dev", "robot")).deny with data.promotion.services as own
	endswith(found.msg, "from build an image goes to production.")
	other := {"billing": {"paths": straight}}
	denied(going("build", "dev", "robot")) == set() with data.promotion.services as other
}

test_null_leaves_a_service_no_path if {
	closed := {"settlement": {"paths": null}}
	denied(going("build", "dev", "robot")) == {"promotion.path"} with data.promotion.services as closed
}

test_a_services_setting_that_is_not_understood_leaves_it_nothing if {
	every wrong in [
		null, [], "x",
		{"settlement": null}, {"settlement": false}, {"settlement": {}}, {"settlement": {"path": straight}},
		{"settlement": {"paths": straight, "people": {}}}, {"settlement": {"paths": []}},
	] {
		not promotion.service_understood with input.service as "settlement" with data.promotion.services as wrong
	}
	wrong := {"settlement": {}}
	denied(going("build", "dev", "robot")) == {"promotion.path", "promotion.services"} with data.promotion.services as wrong
}
