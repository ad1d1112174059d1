package migration

# METADATA
# title: A foreign key is added before it is validated
# description: >-
#   Adding a foreign key checks every row while nobody can write to either table.
# custom:
#   code: migration.foreign-key
#   solution: >-
#     Add it NOT VALID, and validate it in a transaction of its own: that lets everybody work.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	postgres
	concerned := [fact |
		some fact in old_facts({"add_constraint"})
		fact.constraint == "foreign key"
		not fact.not_valid == true
	]
	said := findings(rule, [[fact, message, validated_later(fact)] |
		some fact in concerned
		message := sprintf("The foreign key from %s to %s is checked for every row while nobody can write to either.", [object.get(fact, "table", "a table"), object.get(fact, "references", "another table")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: A check is added before it is validated
# description: >-
#   Adding a check looks at every row while nobody can use the table.
# custom:
#   code: migration.check-constraint
#   solution: >-
#     Add it NOT VALID, and validate it in a transaction of its own: that lets everybody work.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	postgres
	concerned := [fact |
		some fact in old_facts({"add_constraint"})
		fact.constraint == "check"
		not fact.not_valid == true
	]
	said := findings(rule, [[fact, message, validated_later(fact)] |
		some fact in concerned
		message := sprintf("The check on %s is made for every row while nobody can use the table.", [object.get(fact, "table", "a table")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: A unique constraint uses an index that is there
# description: >-
#   A unique constraint or a primary key builds its index while nobody can use the table, and fails
#   when two rows are equal.
# custom:
#   code: migration.unique-constraint
#   solution: >-
#     Build a unique index concurrently, and add the constraint USING INDEX.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"add_constraint", "add_column"})
		makes_unique(fact)
	]
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("A unique constraint on %s builds its index while nobody can use the table.", [object.get(fact, "table", "a table")])
	])
	some fact in concerned
	found := said[fact]
}

makes_unique(fact) if {
	fact.constraint in {"unique", "primary key"}
	not fact.using_index == true
}

makes_unique(fact) if {
	fact.kind == "add_column"
	fact.unique == true
}

# METADATA
# title: An exclusion constraint is made with the table
# description: >-
#   An exclusion constraint builds its index while nobody can use the table, and no other way is
#   known.
# custom:
#   code: migration.exclusion-constraint
#   solution: >-
#     Make it together with a new table, and move the rows there in batches.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"add_constraint"})
		fact.constraint == "exclude"
	]
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("An exclusion constraint on %s builds its index while nobody can use the table.", [object.get(fact, "table", "a table")])
	])
	some fact in concerned
	found := said[fact]
}

validated_later(fact) := [
	sprintf("%s NOT VALID; -- now", [trim_suffix(object.get(fact, "statement", ""), ";")]),
	sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s; -- by itself", [
		object.get(tables_in_sql, object.get(fact, "table", ""), "<table>"),
		constraint_in_sql(fact),
	]),
]

constraint_in_sql(fact) := quoted(fact.object) if {
	fact.object != ""
} else := "<constraint>"
