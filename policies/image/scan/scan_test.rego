package image_test

import data.lib_test as fixture

test_scan_missing if {
	without("/evidence/scan") == {"image.scan-missing"}
	changed("/evidence/scan/status", "error") == {"image.scan-missing"}
	changed("/evidence/scan/subject", fixture.other) == {"image.scan-missing"}
	changed("/evidence/scan/facts/attested", false) == {"image.scan-missing"}
}

test_not_scanned_has_a_code_of_its_own if {
	changed("/evidence/scan/status", "no-data") == {"image.scan-unscanned"}
	changed("/evidence/scan/facts/scanned", false) == {"image.scan-unscanned"}
	changed("/evidence/scan/facts/scanners/0/database/advisories", 0) == {"image.scan-unscanned"}
	without("/evidence/scan/facts/scanners/0/database/advisories") == {"image.scan-unscanned"}
	changed("/evidence/scan/facts/scanners", []) == {"image.scan-unscanned"}
	without("/evidence/scan/facts/scanners") == {"image.scan-unscanned"}
}

test_a_service_does_not_say_how_many_advisories_it_knows if {
	changed("/evidence/scan/facts/scanners/0/database/advisories", null) == set()
}

test_stale_scan if {
	changed("/evidence/scan/facts/scanned_at", "2026-11-23T11:59:59Z") == {"image.scan-stale"}
	changed("/evidence/scan/facts/scanned_at", "2026-11-25T12:00:00Z") == {"image.scan-stale"}
	without("/evidence/scan/facts/scanned_at") == {"image.scan-stale"}
	denied(fixture.image) == {"image.scan-stale"} with data.image.scan_max_age_hours as "soon"
}

test_the_scan_of_every_scanner_is_dated_rightly if {
	every moment in ["2026-11-23T11:59:59Z", "2029-05-13T12:00:00Z", 7, null] {
		denied(second_scanner({"scanned_at": moment})) == {"image.scan-stale"}
		changed("/evidence/scan/facts/scanned_at", moment) == {"image.scan-stale"}
	}
	without("/evidence/scan/facts/scanners/0/scanned_at") == {"image.scan-stale"}
	denied(second_scanner({"scanned_at": "2026-11-24T11:00:00Z"})) == set()
}

test_a_stale_scan_says_how_recent_it_must_be if {
	old := fixture.set(fixture.image, "/evidence/scan/facts/scanned_at", "2026-11-20T00:00:00Z")
	contains(messages(old), "not within the last 24 hours")
}
