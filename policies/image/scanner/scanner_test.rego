package image_test

import data.image
import data.lib_test as fixture

test_a_scanner_that_is_asked_for if {
	asked("trivy", fixture.image) == {["image.scanner-missing", "trivy"]}
	asked("osv", fixture.image) == set()
	asked("scan-osv", fixture.image) == set()
	failed := fixture.set(fixture.image, "/evidence/scan/facts/scanners/0/status", "error")
	asked("osv", failed) == {["image.scanner-missing", "osv"]}
	asked(7, fixture.image) == {["image.scanner-missing", "7"]}
}

asked(name, document) := {[found.code, found.about] |
	some found in image.decision.deny with input as document with data.image.required_scanners as [name]
}

test_scanners_asked_for_in_another_form_refuse if {
	every wrong in [null, "osv", {}] {
		{"image.scanner-missing"} == fixture.codes(image.decision.deny) with input as fixture.image
			with data.image.required_scanners as wrong
	}
}
