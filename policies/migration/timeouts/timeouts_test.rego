package migration_test

import data.lib_test as fixture

waiting(more) := "migration.lock-timeout" in advised(advising("rename_table", object.union({"table": "users"}, more)))

test_what_waits_for_a_lock_gives_up if {
	waiting({})
	waiting({"lock_timeout": false})
	not waiting({"lock_timeout": true})
	not waiting({"concurrently": true})
	not waiting({"new_object": "yes"})
	not waiting({"new_object": "maybe"})
	advised(advising("drop_view", {"object": "v"})) == {"migration.drop-object"}
	advised(speaking("mysql", advising("rename_table", {"table": "users"}))) == {"migration.rename-table"}
}

test_it_is_said_once_for_each_file if {
	document := fixture.set(
		fixture.migrating([
			fixture.fact("rename_table", {"table": "a", "line": 1}),
			fixture.fact("rename_table", {"table": "b", "line": 2}),
			fixture.fact("rename_table", {"table": "c", "line": 9, "file": "db/2.sql"}),
		]),
		"/advice", true,
	)
	{[found.at.file, found.at.line] | some found in judged(document).advice; found.code == "migration.lock-timeout"} == {["db/1.sql", 1], ["db/2.sql", 9]}
}

test_every_rule_may_be_silenced if {
	off := {rule: "off" | some rule, _ in data.migration.levels}
	every kind in ["rename_table", "change_type", "add_constraint", "drop_index", "reindex", "rewrite_table", "truncate"] {
		found := advised(advising(kind, {"constraint": "check"})) with data.migration.levels as off
		found == set()
	}
}
