package migration

# METADATA
# title: No column is renamed
# description: >-
#   A column of a table that existed before keeps its name while the release that still serves uses it.
# custom:
#   code: migration.rename-column
#   solution: >-
#     Add {new_name} beside {column}, write both, copy the old values in batches, let all code read the
#     new one, and drop {column} in a later release; or give the old code a view that has the old name.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"rename_column"})
		not fact in released
	]
	said := findings(rule, [[fact, message, renamed_slowly(fact)] |
		some fact in concerned
		message := sprintf("The column %s of %s is renamed to %s: code that still runs fails when it uses the old name, and new code before this has run.", [
			object.get(fact, "column", "(which one cannot be told)"),
			object.get(fact, "table", "a table"),
			object.get(fact, "new_name", "another name"),
		])
	])
	some fact in concerned
	found := said[fact]
}

renamed_slowly(fact) := [
	sprintf("ALTER TYPE %s ADD ATTRIBUTE %s %s CASCADE; -- now; let code write both", [type, new, object.get(fact, "type", "<type>")]),
	sprintf("ALTER TYPE %s DROP ATTRIBUTE %s CASCADE; -- in a later release", [type, old]),
] if {
	fact.label == "type"
	type := object.get(tables_in_sql, object.get(fact, "table", ""), "<type>")
	old := object.get(columns_in_sql, object.get(fact, "column", ""), "<column>")
	new := object.get(columns_in_sql, object.get(fact, "new_name", ""), "<new name>")
} else := [] if {
	fact.label == "view"
} else := [
	sprintf("ALTER TABLE %s ADD COLUMN %s %s; -- now; let code write both", [table, new, object.get(fact, "type", "<type>")]),
	sprintf("UPDATE %s SET %s = %s WHERE %s IS NULL; -- in batches", [table, new, old, new]),
	sprintf("ALTER TABLE %s DROP COLUMN %s; -- in a later release", [table, old]),
] if {
	table := object.get(tables_in_sql, object.get(fact, "table", ""), "<table>")
	old := object.get(columns_in_sql, object.get(fact, "column", ""), "<column>")
	new := object.get(columns_in_sql, object.get(fact, "new_name", ""), "<new name>")
}
