package migration

# METADATA
# title: No table is dropped
# description: >-
#   A table, or the schema or database around it, that existed before this migration is not dropped
#   while the release that still serves may read and write it. IF EXISTS is no excuse. A table that
#   the same script made, or a temporary one, is nobody's.
# custom:
#   code: migration.drop-table
#   solution: >-
#     Release code that no longer uses {table}, rename it as a brake that is taken back in a moment, and
#     drop it in a later release, when nothing has missed it.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	some fact in old_facts({"drop_table", "drop_schema", "drop_database"})
	not fact in released
	found := about(rule, fact, dropped(fact), drop_table_safely(fact))
}

dropped(fact) := sprintf("The table %s is dropped: code that still runs fails when it next asks for it, and its rows are gone.", [
	object.get(fact, "table", "(which one cannot be told)"),
]) if {
	fact.kind == "drop_table"
} else := sprintf("The %s %s is dropped, with every table in it.", [
	trim_prefix(object.get(fact, "kind", ""), "drop_"),
	object.get(fact, "object", "(which one cannot be told)"),
])

drop_table_safely(fact) := [
	sprintf("ALTER TABLE %s RENAME TO %s; -- now", [old, brake]),
	sprintf("DROP TABLE %s; -- in a later release", [concat(".", array.concat(schema, [brake]))]),
] if {
	fact.kind == "drop_table"
	not tsql
	old := sql(object.get(fact, "table", ""), "table")
	brake := constraint_name({"table": object.get(fact, "table", "")}, "dropped")
	parts := split(object.get(fact, "table", ""), ".")
	schema := [quoted(part) | some part in array.slice(parts, 0, count(parts) - 1)]
} else := []
