package migration_test

import data.lib_test as fixture

emptying(more) := one("truncate", object.union({"table": "users"}, more))

test_a_table_is_not_emptied if {
	denied(emptying({})) == {"migration.truncate"}
	denied(emptying({"new_object": "maybe"})) == {"migration.truncate"}
	denied(emptying({"new_object": "yes"})) == set()
	denied(emptying({"temporary": true})) == set()
	startswith(said(emptying({})), "The table users is emptied")
}

test_rows_are_deleted_in_batches if {
	contains(solved(emptying({})), "DELETE FROM users WHERE ctid IN (SELECT ctid FROM users WHERE <old> LIMIT 10000) AND <old>;")
	contains(solved(speaking("mysql", emptying({}))), "DELETE FROM users WHERE <old> LIMIT 10000;")
	contains(solved(speaking("tsql", emptying({}))), "DELETE TOP (10000) FROM users WHERE <old>;")
	not contains(solved(speaking("db2", emptying({}))), "DELETE")
}

test_what_rows_were_before_goes_with_the_versioning if {
	forgetting := speaking("mysql", emptying({"label": "drop versioning"}))
	denied(forgetting) == {"migration.truncate"}
	startswith(said(forgetting), "The table users no longer keeps")
	not contains(solved(forgetting), "DELETE")
}

# What a waiver of this very statement is told, and one of the whole code.
objections(code) := found if {
	waiver := object.union(fixture.waiver, {"code": code, "environment": "", "digest": ""})
	found := judged(fixture.set(emptying({}), "/waivers", [waiver])).waivers.objections.w1 with data.promotion.people as fixture.people
}

test_an_approval_names_the_statement if {
	objections(sprintf("migration.truncate/%s", [fixture.digest])) == set()
	objections("migration.truncate") == {"a waiver of migration.truncate has to name which (migration.truncate/...) or a package"}
}
