package rollback_test

import data.lib_test as fixture

broken := {
	"what": "payments.legacy",
	"how": "dropped",
	"uses": "reads payments.legacy",
	"migration": "0009_drop_legacy.sql",
	"file": "0009_drop_legacy.sql",
	"line": 1,
	"new_name": "",
}

migrated(known, problem, gone) := fixture.set(fixture.rollback, "/migrations", {
	"known": known,
	"problem": problem,
	"since": ["0009_drop_legacy.sql"],
	"broken": gone,
})

test_what_the_image_uses_has_to_be_there if {
	result := judged(migrated(true, "", [broken]))
	fixture.codes(result.deny) == {"rollback.contract"}
	some found in result.deny
	found.about == "payments.legacy"
	contains(found.msg, "payments.legacy was dropped by 0009_drop_legacy.sql since, and sha256:aaa")
	contains(found.msg, "reads payments.legacy.")
	contains(found.solution, "Or bring payments.legacy back")
	contains(found.solution, "serves production")
}

test_nothing_gone_is_no_reason if {
	denied(migrated(true, "", [])) == set()
	warned(migrated(true, "", [])) == set()
}

test_what_is_not_known_warns_and_leaves_the_way_open if {
	unknown := migrated(false, "no migrations are attested to it", [])
	denied(unknown) == set()
	warned(unknown) == {"rollback.contract-unknown"}
	some found in judged(unknown).warn
	contains(found.msg, "no migrations are attested to it")
	warned(fixture.unset(unknown, "/migrations/known")) == {"rollback.contract-unknown"}
}

test_what_is_known_to_be_gone_refuses_whatever_else_is_not_known if {
	denied(migrated(false, "unclear", [broken])) == {"rollback.contract"}
}
