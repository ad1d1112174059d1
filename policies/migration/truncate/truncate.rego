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
	said := findings(rule, [[fact, emptied(fact), deleted_slowly(fact)] |
		some fact in concerned
	])
	some fact in concerned
	found := said[fact]
}

emptied(fact) := sprintf("The table %s no longer keeps what its rows were before: all of that is gone at once.", [
	object.get(fact, "table", "(which one cannot be told)"),
]) if {
	fact.label == "drop versioning"
} else := sprintf("The table %s is emptied: every row is gone at once, and nobody can use it meanwhile.", [
	object.get(fact, "table", "(which one cannot be told)"),
])

deleted_slowly(fact) := [] if {
	fact.label == "drop versioning"
} else := [sprintf("DELETE FROM %s WHERE ctid IN (SELECT ctid FROM %s WHERE <old> LIMIT 10000) AND <old>; -- until none is left", [table, table])] if {
	postgres
	table := sql(object.get(fact, "table", ""), "table")
} else := [sprintf("DELETE FROM %s WHERE <old> LIMIT 10000; -- until none is left", [sql(object.get(fact, "table", ""), "table")])] if {
	mysql
} else := [sprintf("DELETE TOP (10000) FROM %s WHERE <old>; -- until none is left", [sql(object.get(fact, "table", ""), "table")])] if {
	tsql
} else := []
