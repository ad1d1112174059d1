package migration_test

column(more) := object.union({"table": "app.users", "column": "plan", "type": "text"}, more)

demanding(kind, more) := denied(one(kind, column(more))) == {"migration.not-null-without-default"}

test_a_column_is_not_added_as_not_null if {
	demanding("add_column", {})
	demanding("add_column", {"new_object": "maybe"})
	every excuse in ["nullable", "default_at_end", "generated", "covered", "temporary"] {
		denied(one("add_column", column({excuse: true}))) == set()
		demanding("add_column", {excuse: false})
	}
	denied(one("add_column", column({"new_object": "yes"}))) == set()
}

test_nor_made_not_null if {
	demanding("set_not_null", {})
	demanding("change_type", {})
	denied(one("change_type", column({"nullable": true}))) == set()
	denied(one("set_not_null", column({"covered": true}))) == set()
}

test_which_way_is_said if {
	startswith(said(one("add_column", column({}))), "The column plan is added to app.users as NOT NULL without a default")
	startswith(said(one("set_not_null", column({}))), "The column plan of app.users becomes NOT NULL without a default")
}

added := "ALTER TABLE app.users ADD COLUMN plan text; -- now, without NOT NULL\n"

test_the_safe_way_is_written_out if {
	closing := concat("\n", [
		"UPDATE app.users SET plan = <value> WHERE plan IS NULL; -- in batches",
		"ALTER TABLE app.users ADD CONSTRAINT users_plan_not_null CHECK (plan IS NOT NULL) NOT VALID; -- in a later release, and each by itself",
		"ALTER TABLE app.users VALIDATE CONSTRAINT users_plan_not_null;",
		"ALTER TABLE app.users ALTER COLUMN plan SET NOT NULL;",
		"ALTER TABLE app.users DROP CONSTRAINT users_plan_not_null;",
	])
	contains(solved(one("add_column", column({}))), concat("", [added, closing]))
	contains(solved(one("set_not_null", column({}))), concat("", ["locking anybody out.\n", closing]))
	contains(solved(speaking("mariadb", one("add_column", column({})))), concat("", [
		added,
		"UPDATE app.users SET plan = <value> WHERE plan IS NULL; -- in batches\n",
		"ALTER TABLE app.users MODIFY COLUMN plan text NOT NULL; -- in a later release",
	]))
	contains(solved(speaking("tsql", one("set_not_null", column({})))), "locking anybody out.\nOr have")
	contains(solved(speaking("mysql", one("set_not_null", {"table": "t", "column": "c"}))), "MODIFY COLUMN c <type> NOT NULL")
}
