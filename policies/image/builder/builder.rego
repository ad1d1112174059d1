package image

import data.lib

# METADATA
# title: A builder of ours built the image
# description: >-
#   Where data.image.provenance.builders lists any, the image's provenance names one of them.
# custom:
#   code: image.builder
#   solution: >-
#     Build it with a builder that data.image.provenance.builders lists ([stages] build), by
#     `invoke release`.
deny contains found if {
	data.image.provenance.builders != []
	provenance_understood
	not built_by_one_of_ours
	message := sprintf("%s was built by %s, which is none of %s.", [
		lib.value(["image", "digest"]),
		lib.value(["evidence", "provenance", "facts", "builder"]),
		concat(", ", data.image.provenance.builders),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

built_by_one_of_ours if provenance_says("builders", "builder")
