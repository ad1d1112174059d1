package promotion

import data.lib

# METADATA
# title: The source still holds this image
# description: >-
#   What is promoted is what the source environment holds at this moment (for a build: what the
#   ledger recorded), not what it held when somebody looked.
# custom:
#   code: promotion.source
#   solution: See what {source} holds now with `invoke status`, and promote that.
deny contains found if {
	not source_holds
	message := sprintf("%s holds %s now, not %s.", [
		lib.value(["source"]),
		held("source_holds"),
		lib.value(["image", "digest"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

source_holds if input.source_holds == input.image.digest

held(place) := input[place] if {
	is_string(input[place])
} else := "no image"
