package migration_test

test_a_table_is_not_dropped if {
	denied(one("drop_table", {"table": "users"})) == {"migration.drop-table"}
	denied(one("drop_table", {"table": "users", "conditional": true})) == {"migration.drop-table"}
	denied(one("drop_table", {"table": "users", "new_object": "maybe"})) == {"migration.drop-table"}
	denied(one("drop_table", {"table": "users", "new_object": "yes"})) == set()
	denied(one("drop_table", {"table": "users", "temporary": true})) == set()
}

test_nor_what_holds_tables if {
	denied(one("drop_schema", {"object": "old", "cascade": true})) == {"migration.drop-table"}
	denied(one("drop_database", {"object": "old"})) == {"migration.drop-table"}
	denied(one("drop_view", {"object": "old"})) == set()
	said(one("drop_schema", {"object": "old"})) == "The schema old is dropped, with every table in it."
	contains(solved(one("drop_database", {"object": "old"})), "invoke waive")
	not contains(solved(one("drop_database", {"object": "old"})), "RENAME")
}

test_the_brake_is_written_out if {
	contains(solved(one("drop_table", {"table": "users"})), "ALTER TABLE users RENAME TO users_dropped; -- now\nDROP TABLE users_dropped; -- in a later release")
	contains(solved(one("drop_table", {"table": "app.users"})), "ALTER TABLE app.users RENAME TO users_dropped; -- now\nDROP TABLE app.users_dropped; -- in a later release")
	contains(solved(one("drop_table", {"table": "users"})), "no longer uses users,")
	not contains(solved(speaking("tsql", one("drop_table", {"table": "users"}))), "RENAME TO")
}
