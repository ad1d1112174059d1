package migration

# METADATA
# title: No table is emptied
# description: >-
#   TRUNCATE throws away every row of a table that existed before, at once and for everybody. Only a
#   signed approval of this very statement lets it through.
# custom:
#   code: migration.truncate
#   solution: >-
#     Delete what is no longer wanted in batches, while everybody works. If all of it shall go, have
#     this statement approved.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := old_facts({"truncate"})
	said := findings(rule, array.concat(emptied(concerned), unversioned(concerned)))
	some fact in concerned
	found := said[fact]
}

emptied(those) := [[fact, message, safe] |
	some fact in those
	not fact.label == "drop versioning"
	message := sprintf("The table %s is emptied: every row is gone at once, and nobody can use it meanwhile.", [
		object.get(fact, "table", "(which one cannot be told)"),
	])
	table := object.get(tables_in_sql, object.get(fact, "table", ""), "<table>")
	safe := [sprintf(way, [table]) | way := deleted_slowly]
]

unversioned(those) := [[fact, message, []] |
	some fact in those
	fact.label == "drop versioning"
	message := sprintf("The table %s no longer keeps what its rows were before: all of that is gone at once.", [
		object.get(fact, "table", "(which one cannot be told)"),
	])
]

deleted_slowly := "DELETE FROM %[1]s WHERE ctid IN (SELECT ctid FROM %[1]s WHERE <old> LIMIT 10000) AND <old>; -- until none is left" if {
	postgres
} else := "DELETE FROM %s WHERE <old> LIMIT 10000; -- until none is left" if {
	mysql
} else := "DELETE TOP (10000) FROM %s WHERE <old>; -- until none is left" if {
	tsql
}
