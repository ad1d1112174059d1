package image_test

import data.image
import data.lib_test as fixture

gapped := fixture.set(fixture.image, "/evidence/sbom/facts/gaps", ["an RPM database"])

test_gaps_of_the_inventory if {
	image.decision.deny == set() with input as gapped
	some found in image.decision.warn with input as gapped
	found.code == "image.sbom-gaps"
	found.msg == "The SBOM does not list an RPM database."
	{"image.sbom-gaps"} == fixture.codes(image.decision.deny) with input as gapped
		with data.image.coverage as object.union(defaults, {"gaps": "deny"})
	image.decision.warn == set() with input as gapped
		with data.image.coverage as object.union(defaults, {"gaps": "deny"})
}
