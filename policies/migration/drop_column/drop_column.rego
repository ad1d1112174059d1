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
	some fact in old_facts({"drop_column"})
	not fact in released
	message := sprintf("The column %s of %s is dropped: code that still runs fails when it names it, and its values are gone.", [
		object.get(fact, "column", "(which one cannot be told)"),
		object.get(fact, "table", "a table"),
	])
	found := about(rule, fact, message, drop_column_safely(fact))
}

drop_column_safely(fact) := [sprintf("ALTER TYPE %s DROP ATTRIBUTE %s CASCADE; -- in a later release", [
	sql(object.get(fact, "table", ""), "type"),
	plain_sql(object.get(fact, "column", ""), "column"),
])] if {
	fact.label == "type"
} else := [sprintf("ALTER TABLE %s DROP COLUMN %s; -- in a later release", [
	sql(object.get(fact, "table", ""), "table"),
	plain_sql(object.get(fact, "column", ""), "column"),
])]
