package migration_test

test_a_column_is_not_dropped if {
	denied(one("drop_column", {"table": "users", "column": "plan"})) == {"migration.drop-column"}
	denied(one("drop_column", {"table": "users", "column": "plan", "new_object": "maybe"})) == {"migration.drop-column"}
	denied(one("drop_column", {"table": "users", "column": "plan", "new_object": "yes"})) == set()
	startswith(said(one("drop_column", {"table": "users", "column": "plan"})), "The column plan of users is dropped")
	contains(solved(one("drop_column", {"table": "a.b", "column": "C"})), `ALTER TABLE a.b DROP COLUMN "C"; -- in a later release`)
	attribute := {"table": "address", "column": "city", "label": "type"}
	contains(solved(one("drop_column", attribute)), "ALTER TYPE address DROP ATTRIBUTE city CASCADE; -- in a later release")
}
