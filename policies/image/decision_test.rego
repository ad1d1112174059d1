package image_test

import data.image
import data.lib_test as fixture

judged(document) := result if result := image.decision with input as document

denied(document) := fixture.codes(judged(document).deny)

changed(path, value) := denied(fixture.set(fixture.image, path, value))

without(path) := denied(fixture.unset(fixture.image, path))

messages(document) := concat(" ", [found.msg | some found in judged(document).deny])

test_a_good_image_passes if {
	image.decision == {"deny": set(), "warn": set(), "waivers": {"objections": {}, "warn": set()}} with input as fixture.image
}

test_nothing_known_denies_everything if {
	denied({}) == {"image.provenance", "image.sbom", "image.scan-missing", "image.signature"}
}

test_without_settings_nothing_is_recent_and_it_is_said if {
	wanted := {"image.scan-stale", "image.database-stale"}
	denied(fixture.image) == wanted with data.image.scan_max_age_hours as null
		with data.image.database_max_age_days as null
	contains(messages(fixture.image), "last (not set) days") with data.image.database_max_age_days as "7"
	contains(messages(fixture.image), "last (not set) hours") with data.image.scan_max_age_hours as "7"
}

second_scanner(change) := fixture.set(
	fixture.image, "/evidence/scan/facts/scanners/-",
	object.union(
		object.union(fixture.image.evidence.scan.facts.scanners[0], {"tool": "second", "plugin": "scan-second"}),
		change,
	),
)
