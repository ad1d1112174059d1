package migration_test

import data.lib_test as fixture

# What is advised of one fact.
advice(kind, more) := advised(fixture.set(one(kind, more), "/advice", true)) - {"migration.lock-timeout"}

users(more) := object.union({"table": "users", "column": "plan", "nullable": true}, more)

test_a_changed_type if {
	advice("change_type", users({"type": "int"})) == {"migration.type-change"}
	advice("change_type", users({"type": "int", "new_object": "yes"})) == set()
	contains(said(advising("change_type", users({"type": "int"}))), "The column plan of users becomes int:")
}

advising(kind, more) := fixture.set(one(kind, more), "/advice", true)

test_a_default_that_differs if {
	advice("add_column", users({"volatile": true})) == {"migration.volatile-default"}
	advice("add_column", users({"volatile": false})) == set()
	advice("add_column", users({"volatile": true, "new_object": "yes"})) == set()
}

test_a_generated_column if {
	advice("add_column", users({"generated": true})) == {"migration.generated-column"}
	advice("add_column", users({"generated": false})) == set()
	advice("add_column", users({"generated": true, "temporary": true})) == set()
}

test_json if {
	advice("add_column", users({"type": "json"})) == {"migration.json-column"}
	advice("change_type", users({"type": "json"})) == {"migration.json-column", "migration.type-change"}
	advice("add_column", users({"type": "jsonb"})) == set()
	advice("add_column", users({"type": "json", "new_object": "yes"})) == set()
	advised(speaking("mysql", advising("add_column", users({"type": "json"})))) == set()
}

test_a_dropped_default if {
	advice("drop_default", users({})) == {"migration.drop-default"}
	advice("drop_default", users({"new_object": "yes"})) == set()
}

test_advice_is_silent_unless_asked_for if {
	every kind in ["change_type", "drop_default", "rename_table", "reindex"] {
		advised(one(kind, users({}))) == set()
	}
}
