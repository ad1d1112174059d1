package migration_test

import data.lib_test as fixture
import data.migration

nobody := {
	"known": true,
	"problem": "",
	"serving": [],
	"release": "1.4.0",
	"digest": fixture.other,
	"environment": "production",
	"left_at": "2026-11-20T09:00:00Z",
}

reading := object.union(nobody, {"serving": [{
	"environment": "staging",
	"release": "1.4.0",
	"digest": fixture.other,
	"uses": "reads users.plan",
}]})

going(kind, more, reader) := promoted(fixture.migrating([object.union(
	fixture.fact(kind, object.union({"table": "users", "column": "plan"}, more)),
	{"last_reader": reader},
)]))

test_what_the_last_reader_has_left_may_go if {
	every kind in ["drop_column", "rename_column", "set_not_null"] {
		denied(going(kind, {}, nobody)) == set()
		warned(going(kind, {}, nobody)) == {"migration.contracted"}
	}
	table := going("drop_table", {"column": ""}, nobody)
	denied(table) == set()
	warned(table) == {"migration.contracted"}
	contains(said(table), "users goes (db/1.sql, line 3): no release has used it since 1.4.0 left production on 2026-11-20T09:00:00Z.")
	never := object.union(nobody, {"left_at": null})
	contains(said(going("drop_column", {}, never)), "users.plan goes (db/1.sql, line 3): no release that serves uses it, and none")
}

test_a_new_column_demands_a_value_whatever_is_declared if {
	added := going("add_column", {"type": "int"}, nobody)
	denied(added) == {"migration.not-null-without-default"}
}

test_what_somebody_reads_may_not if {
	read := going("drop_column", {}, reading)
	denied(read) == {"migration.contract", "migration.drop-column"}
	warned(read) == set()
	contains(said(read), "users.plan would be gone (db/1.sql, line 3), and 1.4.0, which serves staging, reads users.plan.")
	contains(solved(read), "contract users.plan in the release after")
}

test_what_an_insert_has_to_name_is_required_and_not_gone if {
	contains(said(going("set_not_null", {}, reading)), "users.plan would be required (db/1.sql, line 3), and 1.4.0")
}

test_a_known_reader_refuses_what_otherwise_only_warns if {
	read := going("rename_column", {"new_name": "tier"}, reading)
	denied(read) == {"migration.contract"}
	warned(read) == {"migration.rename-column"}
}

test_a_release_that_still_uses_it_itself_is_told_so if {
	itself := json.patch(reading, [{"op": "replace", "path": "/serving/0/digest", "value": fixture.digest}])
	contains(said(going("drop_column", {}, itself)), "and 1.4.0 itself, which is promoted, reads")
}

test_what_is_not_known_proves_nothing if {
	every unknown in [
		object.union(nobody, {"known": false}),
		object.remove(nobody, ["known"]),
		object.remove(nobody, ["serving"]),
		{},
	] {
		denied(going("drop_column", {}, unknown)) == {"migration.drop-column"}
		warned(going("drop_column", {}, unknown)) == set()
	}
}

test_why_nothing_was_proven_is_said if {
	silent := object.union(nobody, {"known": false, "problem": "staging serves 1.4.0, and that declares no uses"})
	contains(said(going("drop_column", {}, silent)), "not proven: staging serves 1.4.0, and that declares no uses.")
	every quiet in [
		going("drop_column", {}, object.union(nobody, {"known": false})),
		one("drop_column", {"table": "a", "column": "b"}),
	] {
		contains(said(quiet), "not proven") == false
	}
}

test_a_reader_is_named_whatever_else_is_not_known if {
	denied(going("drop_column", {}, object.union(reading, {"known": false}))) == {
		"migration.contract", "migration.drop-column",
	}
}

test_what_it_is_about if {
	migration.contract_about({"table": "t", "column": "c"}) == "t.c"
	migration.contract_about({"table": "t"}) == "t"
	migration.contract_about({"object": "v"}) == "v"
	migration.contract_about({}) == "something that it does not name"
}
