package image

import data.lib

signed if {
	input.evidence.signature.status == "ok"
	lib.at_least(input.evidence.signature.facts.verified, 1)
}

# METADATA
# title: The image is signed
# description: At least one signature over the image's digest verifies with a trusted key.
# custom:
#   code: image.signature
#   solution: Sign {repository}@{digest} with a trusted key by `invoke sign`, and see `invoke verify`.
deny contains found if {
	not signed
	message := sprintf("No signature on %s verifies with a trusted key (%s).", [
		lib.value(["image", "digest"]),
		said_or_none("signature"),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

# METADATA
# title: The signature is about this image
# description: A signature over another digest says nothing about this one.
# custom:
#   code: image.signature-subject
#   solution: Sign {repository}@{digest} itself by `invoke sign`.
deny contains found if {
	is_object(input.evidence.signature)
	not lib.about_image("signature")
	message := sprintf("The signature evidence is about %s, not about %s.", [
		lib.value(["evidence", "signature", "subject"]),
		lib.value(["image", "digest"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

said_or_none(kind) := lib.said(kind) if {
	lib.present(kind)
} else := sprintf("there is no %s evidence", [kind])
