package promotion

import data.lib

# METADATA
# title: No other evidence speaks against it
# description: >-
#   Evidence of any further kind (a plugin's) is about this image and says ok. A check that could not
#   be made, or settled nothing, is not a pass. Kinds that the path asks for are there.
# custom:
#   code: gate.evidence
#   solution: See what that check says, or what its plugin needs with `invoke doctor`, and promote again.
deny contains found if {
	some kind in other_kinds
	not lib.passed(kind)
	message := sprintf("The evidence %s does not pass %s: its status is %s about %s (%s).", [
		kind,
		lib.value(["image", "digest"]),
		lib.status(kind),
		lib.value(["evidence", kind, "subject"]),
		lib.said(kind),
	])
	found := lib.finding_about(rego.metadata.rule(), message, kind)
}

# All but the kinds with rules of their own, here or in package image.
other_kinds := (object.keys(object.get(input, "evidence", {})) | {kind | some kind in step.evidence}) - {
	"canary",
	"contract",
	"provenance",
	"sbom",
	"scan",
	"signature",
	"smoke",
}
