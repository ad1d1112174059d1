package image

import data.lib

# METADATA
# title: The image has a bill of materials
# description: >-
#   An SBOM of exactly this digest was made and attested with a trusted key. Without one nobody can
#   say what an advisory of tomorrow touches.
# custom:
#   code: image.sbom
#   solution: Make and attest one for {repository}@{digest} by `invoke sbom`.
deny contains found if {
	some problem in sbom_problems
	found := lib.finding(rego.metadata.rule(), problem)
}

sbom_problems contains message if {
	not lib.present("sbom")
	message := sprintf("There is no SBOM of %s.", [lib.value(["image", "digest"])])
}

sbom_problems contains message if {
	is_object(input.evidence.sbom)
	not lib.about_image("sbom")
	message := sprintf("The SBOM is about %s, not about %s.", [
		lib.value(["evidence", "sbom", "subject"]),
		lib.value(["image", "digest"]),
	])
}

sbom_problems contains message if {
	is_object(input.evidence.sbom)
	lib.status("sbom") != "ok"
	message := sprintf("The SBOM is not usable: its status is %s (%s).", [
		lib.status("sbom"),
		lib.said("sbom"),
	])
}

sbom_problems contains message if {
	input.evidence.sbom.status == "ok"
	not attested("sbom")
	message := sprintf("The SBOM of %s is not attested with a trusted key.", [
		lib.value(["image", "digest"]),
	])
}

attested(kind) if input.evidence[kind].facts.attested == true
