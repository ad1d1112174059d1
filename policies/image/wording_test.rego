package image_test

import data.lib_test as fixture

test_a_stale_scan_says_how_recent_it_must_be if {
	old := fixture.set(fixture.image, "/evidence/scan/facts/scanned_at", "2026-11-20T00:00:00Z")
	contains(messages(old), "not within the last 24 hours")
}
