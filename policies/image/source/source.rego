package image

import data.lib

# METADATA
# title: The image's source is a repository of ours
# description: >-
#   Where data.image.provenance.repositories lists any, the image's provenance names one of them as
#   where the source is.
# custom:
#   code: image.source
#   solution: >-
#     Release it from a repository that data.image.provenance.repositories lists; what a build says
#     of its source is [service] source.
deny contains found if {
	data.image.provenance.repositories != []
	provenance_understood
	not from_one_of_ours
	message := sprintf("The source of %s is %q, which is none of %s.", [
		lib.value(["image", "digest"]),
		lib.value(["evidence", "provenance", "facts", "repository"]),
		concat(", ", data.image.provenance.repositories),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

from_one_of_ours if provenance_says("repositories", "repository")
