package rollback_test

import data.lib_test as fixture

test_the_signature_must_hold if {
	changed("/evidence", {}) == {"image.signature"}
	changed("/evidence/signature/subject", fixture.other) == {"image.signature-subject"}
}
