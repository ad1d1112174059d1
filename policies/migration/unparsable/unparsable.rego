package migration

# METADATA
# title: Every statement is understood
# description: >-
#   A statement that the grammar of the dialect does not know, and SQL that is put together while it
#   runs, may do anything. What cannot be read cannot be judged, so it is refused.
# custom:
#   code: migration.unparsable
#   solution: >-
#     Correct the statement, name the right dialect (`invoke migrations.check PATH --dialect=mysql`),
#     or write SQL that is put together while it runs as plain statements. If somebody has read what it
#     does, have it approved.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	concerned := facts({"unparsable", "execute"})
	said := findings(rule, [[fact, message, []] |
		some fact in concerned
		message := sprintf("Nobody can tell what this does: %s.", [trim_suffix(
			object.get(fact, "label", "the statement was not understood"),
			".",
		)])
	])
	some fact in concerned
	found := said[fact]
}
