package image_test

import data.image
import data.lib_test as fixture

test_unsigned if {
	without("/evidence/signature") == {"image.signature"}
	changed("/evidence/signature/status", "failed") == {"image.signature"}
	changed("/evidence/signature/facts/verified", 0) == {"image.signature"}
	without("/evidence/signature/facts") == {"image.signature"}
}

test_a_refusal_names_the_digest_and_the_command if {
	some found in image.decision.deny with input as fixture.unset(fixture.image, "/evidence/signature")
	contains(found.msg, fixture.digest)
	contains(found.solution, "invoke sign")
	contains(found.solution, fixture.digest)
	found.waivable == false
}

test_signature_of_another_image if {
	changed("/evidence/signature/subject", fixture.other) == {"image.signature-subject"}
	without("/evidence/signature/subject") == {"image.signature-subject"}
}
