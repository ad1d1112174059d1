package migration

# METADATA
# title: A table keeps its name
# description: >-
#   Code that still runs uses the old name.
# custom:
#   code: migration.rename-table
#   solution: >-
#     Rename it and give the old code a view of the old name in the same transaction; drop the view in
#     a later release.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := old_facts({"rename_table", "set_schema", "rename_schema", "rename_view"})
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("%s gets another name or place: code that still runs fails when it uses the old one.", [object.get(fact, "table", "A schema or view")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: An enum only grows, by itself
# description: >-
#   A value that is renamed is unknown to code that still runs. One that is added cannot be used in
#   the same transaction, and code that still runs may read it without knowing it.
# custom:
#   code: migration.enum-value
#   solution: >-
#     Add values in a migration of their own, before any code writes them; add a new value rather than
#     renaming one.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"alter_type"})
		fact.label in {"add value", "rename value"}
	]
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("The enum %s changes (%s): code that still runs does not know the new value.", [object.get(fact, "object", "(without a name)"), object.get(fact, "label", "")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: What code may use is not dropped
# description: >-
#   A view, function, type, sequence or trigger that existed before may be used by code that still
#   runs.
# custom:
#   code: migration.drop-object
#   solution: >-
#     Release code that no longer uses it, and drop it in a later release.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := old_facts({"drop_view", "drop_function", "drop_type", "drop_sequence", "drop_trigger"})
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("The %s %s is dropped: code that still runs may use it.", [trim_prefix(object.get(fact, "kind", ""), "drop_"), object.get(fact, "object", "(without a name)")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: Nothing more is dropped than is named
# description: >-
#   CASCADE drops, or empties, whatever depends on the thing that is named, and what that is depends
#   on the database at that moment.
# custom:
#   code: migration.cascade
#   solution: >-
#     Name what is to go, each by itself, without CASCADE.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"drop_table", "drop_schema", "drop_view", "drop_function", "drop_type", "drop_sequence", "drop_column", "truncate"})
		fact.cascade == true
	]
	said := findings(rule, [[fact, "CASCADE takes away whatever depends on it, which is not named here.", []] |
		some fact in concerned
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: No table is written anew
# description: >-
#   The whole table is written anew while nobody can use it.
# custom:
#   code: migration.rewrite-table
#   solution: >-
#     Let a tool do it that works beside the table (pg_repack, gh-ost, pt-online-schema-change).
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := old_facts({"rewrite_table"})
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("The table %s is written anew (%s) while nobody can use it.", [object.get(fact, "table", "a table"), object.get(fact, "label", "all of it")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: Partitions come and go while the table is used
# description: >-
#   Attaching a partition looks at every row of it unless a check already says what is in it;
#   detaching one waits for everybody.
# custom:
#   code: migration.partition
#   solution: >-
#     Before attaching, add a check of the same bounds NOT VALID and validate it; detach CONCURRENTLY.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"attach_partition", "detach_partition"})
		not fact.concurrently == true
	]
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("A partition of %s comes or goes while others wait.", [object.get(fact, "table", "a table")])
	])
	some fact in concerned
	found := said[fact]
}
