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
	some _, indices in unhurried
	fact := input.facts[min(indices)]
	message := "This waits for as long as it takes for a lock on a table that others use, and they wait behind it."
	found := about(rule, fact, message, ["SET lock_timeout = '5s';"])
}

# In the form that OPA groups in one walk, as in package image: there may be thousands of statements.
unhurried := {file: indices |
	some file in {row[0] | some row in unhurried_rows}
	indices := [row[1] | some row in unhurried_rows; row[0] == file]
}

unhurried_rows := [[fact.file, index] |
	some kind in locking
	some index in input.kinds[kind]
	fact := input.facts[index]
	not perhaps_made_here(fact)
	not fact.lock_timeout == true
	not fact.concurrently == true
]

# METADATA
# title: Locking
# description: Kinds of statements that lock a whole table against everybody, or against writers.
locking := {
	"add_column", "add_constraint", "attach_partition", "change_type", "create_index", "detach_partition",
	"drop_column", "drop_default", "drop_index", "drop_table", "drop_trigger", "rename_column",
	"rename_table", "rewrite_table", "set_not_null", "set_schema", "truncate",
}
