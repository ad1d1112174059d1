package migration_test

constraining(more) := advice("add_constraint", object.union({"table": "users", "object": "c"}, more))

test_a_constraint_that_looks_at_every_row if {
	every kind, code in {"foreign key": "migration.foreign-key", "check": "migration.check-constraint"} {
		constraining({"constraint": kind}) == {code}
		constraining({"constraint": kind, "not_valid": false}) == {code}
		constraining({"constraint": kind, "not_valid": true}) == set()
		constraining({"constraint": kind, "new_object": "yes"}) == set()
		advised(speaking("mysql", advising("add_constraint", {"constraint": kind}))) == set()
	}
	contains(
		solved(advising("add_constraint", {"table": "users", "object": "c", "constraint": "check", "statement": "ALTER TABLE users ADD CONSTRAINT c CHECK (a > 0)"})),
		"ALTER TABLE users ADD CONSTRAINT c CHECK (a > 0) NOT VALID; -- now\nALTER TABLE users VALIDATE CONSTRAINT c; -- by itself",
	)
	contains(solved(advising("add_constraint", {"table": "users", "object": "a.B", "constraint": "check"})), `VALIDATE CONSTRAINT "a.B";`)
	contains(solved(advising("add_constraint", {"constraint": "check"})), "ALTER TABLE <table> VALIDATE CONSTRAINT <constraint>;")
}

test_a_unique_constraint if {
	every kind in ["unique", "primary key"] {
		constraining({"constraint": kind}) == {"migration.unique-constraint"}
		constraining({"constraint": kind, "using_index": false}) == {"migration.unique-constraint"}
		constraining({"constraint": kind, "using_index": true}) == set()
		constraining({"constraint": kind, "new_object": "yes"}) == set()
	}
	advice("add_column", users({"unique": true})) == {"migration.unique-constraint"}
	advice("add_column", users({"unique": false})) == set()
	constraining({"unique": true}) == set()
}

test_an_exclusion_constraint if {
	constraining({"constraint": "exclude"}) == {"migration.exclusion-constraint"}
	constraining({"constraint": "exclude", "new_object": "yes"}) == set()
}
