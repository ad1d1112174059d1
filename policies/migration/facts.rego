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
# title: Made here
# description: The table (or other object) was made by the same script, so nobody uses it yet.
made_here(fact) if fact.new_object == "yes"

made_here(fact) if fact.temporary == true

# METADATA
# title: Perhaps made here
# description: >-
#   As above, or it may have been: CREATE TABLE IF NOT EXISTS makes a table or finds an old one. Good
#   enough where nothing is lost, never where something would be refused.
perhaps_made_here(fact) if fact.new_object in {"yes", "maybe"}

perhaps_made_here(fact) if fact.temporary == true

postgres if input.dialect in {"postgres", "redshift"}

mysql if input.dialect in {"mysql", "mariadb"}

tsql if input.dialect == "tsql"
