package migration

# METADATA
# title: A migration does not wait for long
# description: >-
#   A statement that waits for a lock lets everybody else wait behind it. With a lock_timeout it gives up
#   instead, and is tried again. Said once for each file.
# custom:
#   code: migration.lock-timeout
#   solution: Set a lock_timeout before the first statement, and try again when it runs out.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	postgres
	concerned := [input.facts[index] | some index in first_unhurried]
	said := findings(rule, [[fact, message, ["SET lock_timeout = '5s';"]] |
		some fact in concerned
		message := "This waits for as long as it takes for a lock on a table that others use, and they wait behind it."
	])
	some fact in concerned
	found := said[fact]
}

# File to the place of its first such statement. Of several places that are given for one file the last
# one counts, so they are given from the end.
first_unhurried := object.union_n(array.reverse([{input.facts[index].file: index} | some index in unhurried]))

unhurried := ((places(locking) - perhaps_made_here) - with_timeout) - concurrent

with_timeout contains index if input.facts[index].lock_timeout == true

concurrent contains index if input.facts[index].concurrently == true

# METADATA
# title: Locking
# description: Kinds of statements that lock a whole table against everybody, or against writers.
locking := {
	"add_column", "add_constraint", "attach_partition", "change_type", "create_index", "detach_partition",
	"drop_column", "drop_default", "drop_index", "drop_table", "drop_trigger", "rename_column",
	"rename_table", "rewrite_table", "set_not_null", "set_schema", "truncate",
}
