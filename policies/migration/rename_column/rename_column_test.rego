package migration_test

renaming(more) := one("rename_column", object.union({"table": "users", "column": "plan", "new_name": "tier"}, more))

test_a_renamed_column_is_warned_of if {
	warned(renaming({})) == {"migration.rename-column"}
	denied(renaming({})) == set()
	warned(renaming({"new_object": "maybe"})) == {"migration.rename-column"}
	warned(renaming({"new_object": "yes"})) == set()
	startswith(said(renaming({})), "The column plan of users is renamed to tier:")
}

test_how_it_is_renamed_slowly if {
	endswith(solved(renaming({"label": "type"})), concat("\n", [
		"",
		"ALTER TYPE users ADD ATTRIBUTE tier <type> CASCADE; -- now; let code write both",
		"ALTER TYPE users DROP ATTRIBUTE plan CASCADE; -- in a later release",
	]))
	endswith(solved(renaming({"label": "view"})), "a view that has the old name.")
	startswith(solved(renaming({})), "Add tier beside plan, write both")
	endswith(solved(renaming({})), concat("\n", [
		"",
		"ALTER TABLE users ADD COLUMN tier <type>; -- now; let code write both",
		"UPDATE users SET tier = plan WHERE tier IS NULL; -- in batches",
		"ALTER TABLE users DROP COLUMN plan; -- in a later release",
	]))
}
