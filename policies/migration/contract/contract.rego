package migration

import data.lib

# METADATA
# title: Nothing that serves relies on what goes
# description: >-
#   A release that serves the target, one further along the path, or the promoted one itself declares
#   that it uses what this statement takes away: a table or column that is dropped or renamed, or one
#   that an INSERT has to name from now on.
# custom:
#   code: migration.contract
#   solution: >-
#     Bring a release that can do without it, or gives it a value where that is required, through to the
#     end of the path first, and contract {about} in the release after that; `invoke migrations.plan` writes the steps.
deny contains found if {
	some fact in read_facts
	some reader in fact.last_reader.serving
	about := contract_about(fact)
	message := sprintf("%s would be %s (%s, line %v), and %s %s.", [
		about,
		contract_does(fact),
		fact.file,
		fact.line,
		reader_named(reader),
		reader.uses,
	])
	found := lib.finding_about(rego.metadata.rule(), message, about)
}

# METADATA
# title: The last reader has left
# description: >-
#   A contracting statement of which the ledger and the releases' own declarations show that no release
#   that serves relies on what it takes away. Therefore it is not held against it.
# custom:
#   code: migration.contracted
#   solution: Nothing needs doing; it is written down on what the statement was let through.
warn contains found if {
	some fact in read_facts
	released_from_readers(fact)
	about := contract_about(fact)
	message := sprintf("%s goes (%s, line %v): %s.", [about, fact.file, fact.line, since_when(fact.last_reader)])
	found := lib.finding_about(rego.metadata.rule(), message, about)
}

# Only at a promotion anything is said of readers.
read_facts := [fact |
	some index
	input.facts[index].last_reader
	fact := input.facts[index]
]

# METADATA
# title: Released from readers
# description: >-
#   It is proven that nothing which serves relies on what the fact takes away. Only the tool itself says
#   so of a fact, at a promotion; what is not known releases nothing.
released_from_readers(fact) if {
	fact.last_reader.known == true
	fact.last_reader.serving == []
}

released := {fact | some fact in read_facts; released_from_readers(fact)}

contract_about(fact) := sprintf("%s.%s", [fact.table, fact.column]) if {
	fact.table != ""
	fact.column != ""
} else := fact.table if {
	fact.table != ""
} else := fact.object if {
	fact.object != ""
} else := "something that it does not name"

contract_does(fact) := "required" if {
	fact.kind in {"add_column", "set_not_null"}
} else := "gone"

reader_named(reader) := sprintf("%s itself, which is promoted,", [reader.release]) if {
	reader.digest == input.image.digest
} else := sprintf("%s, which serves %s,", [reader.release, reader.environment])

since_when(reader) := sprintf("no release has used it since %s left %s on %s", [
	reader.release,
	reader.environment,
	reader.left_at,
]) if {
	reader.left_at != null
} else := "no release that serves uses it, and none is known that did"
