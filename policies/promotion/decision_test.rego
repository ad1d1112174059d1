package promotion_test

import data.lib_test as fixture
import data.promotion

judged(document) := result if {
	result := promotion.decision with input as document with data.promotion.people as fixture.people
}

denied(document) := fixture.codes(judged(document).deny)

warned(document) := fixture.codes(judged(document).warn)

said(document) := concat(" ", [found.msg | some found in judged(document).deny])

changed(path, value) := denied(fixture.set(fixture.promotion, path, value))

without(path) := denied(fixture.unset(fixture.promotion, path))

going(source, target, name) := object.union(
	object.remove(fixture.promotion, ["approvals"]),
	{"source": source, "target": target, "actor": {"name": name}, "approvals": []},
)

test_a_good_promotion_passes if {
	judged(fixture.promotion) == {"deny": set(), "warn": set(), "waivers": {"objections": {}, "warn": set()}}
}

test_the_whole_path if {
	denied(going("build", "dev", "robot")) == set()
	denied(going("dev", "staging", "anna")) == set()
	denied(going("staging", "canary", "tom")) == set()
	denied(going("canary", "production", "tom")) == {"promotion.approval"}
}

test_a_row_that_says_little_demands_much if {
	row := {"staging": {"canary": {"roles": ["tech-lead"]}}}
	document := fixture.unset(going("staging", "canary", "tom"), "/evidence/smoke")
	wanted := {"promotion.approval", "promotion.canary", "gate.smoke"}
	denied(document) == wanted with data.promotion.paths as row
}

test_the_image_is_judged_too if {
	without("/evidence/signature") == {"image.signature"}
	without("/evidence/scan") == {"image.scan-missing"}
	warned(fixture.set(fixture.promotion, "/evidence/scan/facts/uncovered", ["x"])) == {"image.uncovered"}
}

test_without_data_nothing_goes if {
	denied({}) == {
		"identity.unproven", "image.provenance", "image.sbom", "image.scan-missing", "image.signature",
		"promotion.path", "promotion.source",
	}
}
