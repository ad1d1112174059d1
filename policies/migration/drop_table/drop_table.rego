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
	concerned := [fact |
		some fact in old_facts({"drop_table", "drop_schema", "drop_database"})
		not fact in released
	]
	said := findings(rule, array.concat(tables_dropped(concerned), others_dropped(concerned)))
	some fact in concerned
	found := said[fact]
}

tables_dropped(gone) := [[fact, message, drop_table_safely(object.get(fact, "table", ""))] |
	some fact in gone
	fact.kind == "drop_table"
	message := sprintf("The table %s is dropped: code that still runs fails when it next asks for it, and its rows are gone.", [
		object.get(fact, "table", "(which one cannot be told)"),
	])
]

others_dropped(gone) := [[fact, message, []] |
	some fact in gone
	not fact.kind == "drop_table"
	message := sprintf("The %s %s is dropped, with every table in it.", [
		trim_prefix(object.get(fact, "kind", ""), "drop_"),
		object.get(fact, "object", "(which one cannot be told)"),
	])
]

drop_table_safely(name) := [
	sprintf("ALTER TABLE %s RENAME TO %s_dropped; -- now", [name, name]),
	sprintf("DROP TABLE %s_dropped; -- in a later release", [name]),
] if {
	not tsql
	tables_in_sql[name] == name # as most are: neither in a schema nor in quotes
	not contains(name, ".")
} else := [
	sprintf("ALTER TABLE %s RENAME TO %s; -- now", [sql(name, "table"), brake]),
	sprintf("DROP TABLE %s; -- in a later release", [concat(".", array.concat(schema, [brake]))]),
] if {
	not tsql
	brake := constraint_name({"table": name}, "dropped")
	parts := split(name, ".")
	schema := [quoted(part) | some part in array.slice(parts, 0, count(parts) - 1)]
} else := []
