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
	said := findings(rule, array.concat(added_so(concerned), changed_so(concerned)))
	some fact in concerned
	found := said[fact]
}

# A new column cannot be written before it is there, so only of an old one this can be proven.
always_written(fact) if {
	fact.kind == "set_not_null"
	fact in released
}

added_so(those) := [[fact, message, array.concat([open], closed_later(fact, table, column))] |
	some fact in those
	fact.kind == "add_column"
	message := sprintf("The column %s is added to %s as NOT NULL without a default: INSERTs of code that does not know it fail, and so does the statement when the table has rows.", [
		object.get(fact, "column", "(which one cannot be told)"),
		object.get(fact, "table", "a table"),
	])
	table := object.get(tables_in_sql, object.get(fact, "table", ""), "<table>")
	column := object.get(columns_in_sql, object.get(fact, "column", ""), "<column>")
	open := sprintf("ALTER TABLE %s ADD COLUMN %s %s; -- now, without NOT NULL", [table, column, object.get(fact, "type", "<type>")])
]

changed_so(those) := [[fact, message, closed_later(fact, table, column)] |
	some fact in those
	not fact.kind == "add_column"
	message := sprintf("The column %s of %s becomes NOT NULL without a default: INSERTs of code that does not give it fail, and so does the statement when a row has none.", [
		object.get(fact, "column", "(which one cannot be told)"),
		object.get(fact, "table", "a table"),
	])
	table := object.get(tables_in_sql, object.get(fact, "table", ""), "<table>")
	column := object.get(columns_in_sql, object.get(fact, "column", ""), "<column>")
]

closed_later(fact, table, column) := [sprintf(closed_by_a_check, [table, column, constraint_name(fact, "not_null")])] if {
	postgres
} else := [sprintf(closed_at_once, [table, column, object.get(fact, "type", "<type>")])] if {
	mysql
} else := []

closed_by_a_check := `UPDATE %[1]s SET %[2]s = <value> WHERE %[2]s IS NULL; -- in batches
ALTER TABLE %[1]s ADD CONSTRAINT %[3]s CHECK (%[2]s IS NOT NULL) NOT VALID; -- in a later release, and each by itself
ALTER TABLE %[1]s VALIDATE CONSTRAINT %[3]s;
ALTER TABLE %[1]s ALTER COLUMN %[2]s SET NOT NULL;
ALTER TABLE %[1]s DROP CONSTRAINT %[3]s;`

closed_at_once := `UPDATE %[1]s SET %[2]s = <value> WHERE %[2]s IS NULL; -- in batches
ALTER TABLE %[1]s MODIFY COLUMN %[2]s %[3]s NOT NULL; -- in a later release`
