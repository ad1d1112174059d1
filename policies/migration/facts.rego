package migration

# METADATA
# title: Facts of some kinds
# description: >-
#   The facts of any of these kinds. Where those of a kind are in input.facts stands in input.kinds, so
#   that no rule walks through thousands of others (and data.migration.lacking sees that it is true).
facts(kinds) := [input.facts[index] |
	some kind in kinds
	some index in input.kinds[kind]
]

# METADATA
# title: Facts about what was there before
# description: >-
#   As facts, without those about a table (or another object) that the same script made, or a temporary
#   one: nobody uses it yet; and without what the words of a refused statement say.
old_facts(kinds) := [input.facts[index] | some index in (places(kinds) - excused)]

# METADATA
# title: Facts about what was surely there before
# description: >-
#   As old_facts, and without those about a table that may have been made here: CREATE TABLE IF NOT
#   EXISTS makes a table or finds an old one. Good enough where nothing is lost, never where something
#   would be refused.
surely_old_facts(kinds) := [input.facts[index] | some index in (places(kinds) - perhaps_made_here)]

places(kinds) := {index |
	some kind in kinds
	some index in input.kinds[kind]
}

# Where they stand is found out once for all rules, in a walk that looks at one field each.
made_here contains index if input.facts[index].new_object == "yes"

made_here contains index if input.facts[index].temporary == true

# What PostgreSQL's own grammar refuses, the server refuses too: nothing of it runs, and of what its words
# say nothing need be said where the statement is refused as such. Other grammars are not the server's.
only_words contains index if {
	input.dialect == "postgres"
	level("migration.unparsable") == "deny"
	refused != set() # as there is in few files
	some index, fact in input.facts
	fact.guessed == true
	not fact.dynamic == true
	fact.statement_hash in refused
}

refused := {input.facts[index].statement_hash | some index in input.kinds.unparsable}

excused := made_here | only_words

perhaps_made_here := excused | {index | input.facts[index].new_object == "maybe"}

postgres if input.dialect in {"postgres", "redshift"}

mysql if input.dialect in {"mysql", "mariadb"}

tsql if input.dialect == "tsql"
