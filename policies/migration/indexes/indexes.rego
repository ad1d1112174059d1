package migration

# METADATA
# title: An index is dropped while its table is used
# description: >-
#   Dropping an index waits for everybody who uses the table, and whoever comes after waits for it.
# custom:
#   code: migration.drop-index-not-concurrent
#   solution: >-
#     Drop it CONCURRENTLY, by itself and outside of a transaction.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	postgres
	concerned := [fact |
		some fact in old_facts({"drop_index"})
		not fact.concurrently == true
	]
	said := findings(rule, [[fact, message, [sprintf("DROP INDEX CONCURRENTLY %s;", [sql(object.get(fact, "object", ""), "index")])]] |
		some fact in concerned
		message := sprintf("The index %s is dropped, for which everybody who uses its table has to wait.", [object.get(fact, "object", "(without a name)")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: What is done concurrently is in no transaction
# description: >-
#   PostgreSQL refuses CONCURRENTLY inside of a transaction, and the tool runs this file in one.
# custom:
#   code: migration.concurrent-in-transaction
#   solution: >-
#     Put the statement into a file of its own and tell the tool to run that without a transaction.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"create_index", "drop_index", "reindex", "detach_partition"})
		fact.concurrently == true
		fact.in_transaction == "yes"
	]
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("What concerns %s is to be done concurrently, and stands in a transaction: the server refuses it.", [object.get(fact, "object", "(without a name)")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: An index is rebuilt while its table is used
# description: >-
#   REINDEX keeps everybody from writing to the table, and from reading by the index.
# custom:
#   code: migration.reindex
#   solution: >-
#     Rebuild it CONCURRENTLY, outside of a transaction.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	postgres
	concerned := [fact |
		some fact in old_facts({"reindex"})
		not fact.concurrently == true
	]
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("%s is rebuilt while nobody can write to its table.", [object.get(fact, "object", "An index")])
	])
	some fact in concerned
	found := said[fact]
}

# METADATA
# title: A materialized view is refreshed while it is read
# description: >-
#   REFRESH MATERIALIZED VIEW keeps everybody from reading the view until it is done.
# custom:
#   code: migration.refresh-view
#   solution: >-
#     Refresh it CONCURRENTLY, which takes a unique index.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := [fact |
		some fact in old_facts({"refresh_view"})
		not fact.concurrently == true
	]
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("The view %s is refreshed, and nobody can read it meanwhile.", [object.get(fact, "object", "(without a name)")])
	])
	some fact in concerned
	found := said[fact]
}
