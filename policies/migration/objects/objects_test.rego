package migration_test

test_names_that_code_uses if {
	every kind in ["rename_table", "set_schema", "rename_schema", "rename_view"] {
		advice(kind, {"table": "users"}) == {"migration.rename-table"}
		advice(kind, {"table": "users", "new_object": "yes"}) == set()
	}
	every kind in ["drop_view", "drop_function", "drop_type", "drop_sequence", "drop_trigger"] {
		advice(kind, {"object": "o"}) == {"migration.drop-object"}
		advice(kind, {"object": "o", "new_object": "yes"}) == set()
	}
	said(advising("drop_view", {"object": "o"})) == "The view o is dropped: code that still runs may use it."
}

test_enums if {
	advice("alter_type", {"object": "mood", "label": "add value"}) == {"migration.enum-value"}
	advice("alter_type", {"object": "mood", "label": "rename value"}) == {"migration.enum-value"}
	advice("alter_type", {"object": "mood", "label": "addattribute"}) == set()
	advice("alter_type", {"object": "mood", "label": "add value", "new_object": "yes"}) == set()
}

test_cascade if {
	every kind in ["drop_view", "drop_function", "drop_type", "drop_sequence", "drop_table", "drop_schema", "drop_column", "truncate"] {
		"migration.cascade" in advice(kind, {"cascade": true})
	}
	not "migration.cascade" in advice("drop_view", {"cascade": false})
	not "migration.cascade" in advice("drop_view", {"cascade": true, "new_object": "yes"})
}

test_tables_and_partitions if {
	advice("rewrite_table", {"table": "users", "label": "logged"}) == {"migration.rewrite-table"}
	advice("rewrite_table", {"table": "users", "new_object": "yes"}) == set()
	every kind in ["attach_partition", "detach_partition"] {
		advice(kind, {"table": "users"}) == {"migration.partition"}
		advice(kind, {"table": "users", "concurrently": false}) == {"migration.partition"}
		advice(kind, {"table": "users", "concurrently": true}) == set()
		advice(kind, {"table": "users", "new_object": "yes"}) == set()
	}
}
