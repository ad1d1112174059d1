package migration

# METADATA
# title: No column becomes NOT NULL without a default
# description: >-
#   A column of a table that existed before does not end up NOT NULL without a value for the INSERTs of
#   the release that still serves, which do not name it. What counts is how it is after the last
#   statement: a default that is dropped again is none. A check that was validated before, a generated
#   column and a table of this same script are fine.
# custom:
#   code: migration.not-null-without-default
#   solution: >-
#     Let {column} take NULL or give it a DEFAULT, fill it in batches, let all code write it, and make it
#     NOT NULL in a later release by way of a check that was validated without locking anybody out.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"add_column", "change_type", "set_not_null"})
		not fact.nullable == true
		not fact.default_at_end == true
		not fact.generated == true
		not fact.covered == true
		not always_written(fact)
	]
	said := findings(rule, [[fact, demanded(fact), filled_first(fact)] |
		some fact in concerned
	])
	some fact in concerned
	found := said[fact]
}

# A new column cannot be written before it is there, so only of an old one this can be proven.
always_written(fact) if {
	fact.kind == "set_not_null"
	fact in released
}

demanded(fact) := sprintf("The column %s is added to %s as NOT NULL without a default: INSERTs of code that does not know it fail, and so does the statement when the table has rows.", [
	object.get(fact, "column", "(which one cannot be told)"),
	object.get(fact, "table", "a table"),
]) if {
	fact.kind == "add_column"
} else := sprintf("The column %s of %s becomes NOT NULL without a default: INSERTs of code that does not give it fail, and so does the statement when a row has none.", [
	object.get(fact, "column", "(which one cannot be told)"),
	object.get(fact, "table", "a table"),
])

filled_first(fact) := array.concat(added_open(fact), closed_later(fact))

added_open(fact) := [sprintf("ALTER TABLE %s ADD COLUMN %s %s; -- now, without NOT NULL", [
	sql(object.get(fact, "table", ""), "table"), plain_sql(object.get(fact, "column", ""), "column"), object.get(fact, "type", "<type>"),
])] if {
	fact.kind == "add_column"
} else := []

closed_later(fact) := [
	sprintf("UPDATE %s SET %s = <value> WHERE %s IS NULL; -- in batches", [table, column, column]),
	sprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID; -- in a later release, and each by itself", [table, check, column]),
	sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s;", [table, check]),
	sprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;", [table, column]),
	sprintf("ALTER TABLE %s DROP CONSTRAINT %s;", [table, check]),
] if {
	postgres
	table := sql(object.get(fact, "table", ""), "table")
	column := plain_sql(object.get(fact, "column", ""), "column")
	check := constraint_name(fact, "not_null")
} else := [
	sprintf("UPDATE %s SET %s = <value> WHERE %s IS NULL; -- in batches", [table, column, column]),
	sprintf("ALTER TABLE %s MODIFY COLUMN %s %s NOT NULL; -- in a later release", [table, column, object.get(fact, "type", "<type>")]),
] if {
	mysql
	table := sql(object.get(fact, "table", ""), "table")
	column := plain_sql(object.get(fact, "column", ""), "column")
} else := []
