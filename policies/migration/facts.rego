package migration

# METADATA
# title: Facts of a kind
# description: >-
#   The place of each fact in input.facts, by its kind. One walk through thousands of facts, so that
#   no rule makes its own.
of[fact.kind] contains index if some index, fact in input.facts

# METADATA
# title: Facts of some kinds
# description: The facts of any of these kinds.
facts(kinds) := {input.facts[index] |
	some kind in kinds
	some index in of[kind]
}

# METADATA
# title: Made here
# description: The table (or other object) was made by the same script, so nobody uses it yet.
made_here(fact) if fact.new_object == "yes"

made_here(fact) if fact.temporary == true

# METADATA
# title: Perhaps made here
# description: >-
#   As above, or it may have been: CREATE TABLE IF NOT EXISTS makes a table or finds an old one. Good
#   enough where nothing is lost, never where something would be refused.
perhaps_made_here(fact) if made_here(fact)

perhaps_made_here(fact) if fact.new_object == "maybe"

postgres if input.dialect in {"postgres", "redshift"}

mysql if input.dialect in {"mysql", "mariadb"}

tsql if input.dialect == "tsql"
