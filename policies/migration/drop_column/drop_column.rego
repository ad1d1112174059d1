package migration

# METADATA
# title: No column is dropped
# description: >-
#   A column that existed before this migration is not dropped while the release that still serves may
#   name it. IF EXISTS is no excuse.
# custom:
#   code: migration.drop-column
#   solution: >-
#     Release code that no longer reads or writes {column} (an ORM has to be told to ignore it), and drop
#     it in a later release.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"drop_column"})
		not fact in released
	]
	said := findings(rule, [[fact, message, safe] |
		some [fact, safe] in columns_dropped_safely(concerned)
		message := sprintf("The column %s of %s is dropped: code that still runs fails when it names it, and its values are gone.", [
			object.get(fact, "column", "(which one cannot be told)"),
			object.get(fact, "table", "a table"),
		])
	])
	some fact in concerned
	found := said[fact]
}

# Each of these facts with the lines that do it safely.
columns_dropped_safely(gone) := array.concat(of_tables, of_types) if {
	of_tables := [[fact, [later]] |
		some fact in gone
		not fact.label == "type"
		later := sprintf("ALTER TABLE %s DROP COLUMN %s; -- in a later release", [
			object.get(tables_in_sql, object.get(fact, "table", ""), "<table>"),
			object.get(columns_in_sql, object.get(fact, "column", ""), "<column>"),
		])
	]
	of_types := [[fact, [later]] |
		some fact in gone
		fact.label == "type"
		later := sprintf("ALTER TYPE %s DROP ATTRIBUTE %s CASCADE; -- in a later release", [
			object.get(tables_in_sql, object.get(fact, "table", ""), "<type>"),
			object.get(columns_in_sql, object.get(fact, "column", ""), "<column>"),
		])
	]
}
