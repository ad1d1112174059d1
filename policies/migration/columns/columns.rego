package migration

# METADATA
# title: The type of a column stays as it is
# description: >-
#   Another type mostly means that the server writes the whole table anew while nobody can use it, and
#   code that still runs sends and expects the old one.
# custom:
#   code: migration.type-change
#   solution: >-
#     Add a column of the new type, write both, copy the old values in batches, let all code read the
#     new one, and drop the old one in a later release.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := old_facts({"change_type"})
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("The column %s of %s becomes %s: the table may be written anew while nobody can use it.", [object.get(fact, "column", "(which one cannot be told)"), object.get(fact, "table", "a table"), object.get(fact, "type", "another type")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: A new column's default is the same for every row
# description: >-
#   A default that differs from row to row (a random number, the clock, a sequence) has to be written
#   into every row at once, while nobody can use the table.
# custom:
#   code: migration.volatile-default
#   solution: >-
#     Add the column without the default, set the default by itself for rows to come, and fill the old
#     rows in batches.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"add_column"})
		fact.volatile == true
	]
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("The new column %s of %s has a default that differs from row to row, so every row is written at once.", [object.get(fact, "column", "(which one cannot be told)"), object.get(fact, "table", "a table")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: A generated column is not stored
# description: >-
#   A stored generated column has to be computed for every row at once, while nobody can use the
#   table.
# custom:
#   code: migration.generated-column
#   solution: >-
#     Add a plain column that code or a trigger writes, and fill the old rows in batches; or use a
#     virtual one or a view.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"add_column"})
		fact.generated == true
	]
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("The generated column %s of %s is computed for every row at once, unless it is virtual.", [object.get(fact, "column", "(which one cannot be told)"), object.get(fact, "table", "a table")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: JSON is kept as jsonb
# description: >-
#   PostgreSQL has no equality for json, so SELECT DISTINCT and UNION of code that still runs fail on
#   a table that has such a column.
# custom:
#   code: migration.json-column
#   solution: >-
#     Use jsonb.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	postgres
	concerned := [fact |
		some fact in old_facts({"add_column", "change_type"})
		fact.type == "json"
	]
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("The column %s of %s is json, which cannot be compared.", [object.get(fact, "column", "(which one cannot be told)"), object.get(fact, "table", "a table")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: A default that code relies on stays
# description: >-
#   Code that still runs may not give the column in its INSERTs: without the default they store NULL,
#   or fail.
# custom:
#   code: migration.drop-default
#   solution: >-
#     Let all code give the value, and drop the default in a later release.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := old_facts({"drop_default"})
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("The default of the column %s of %s is dropped: INSERTs that rely on it store NULL or fail.", [object.get(fact, "column", "(which one cannot be told)"), object.get(fact, "table", "a table")])
	])
	some fact in concerned
	found := said[fact]
}
