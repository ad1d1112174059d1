package image_test

import data.lib_test as fixture

test_only_builders_of_ours if {
	mine := asking({"builders": ["other", "urn:sluiceway:builder:build-layers"]})
	denied(fixture.image) == set() with data.image.provenance as mine
	denied(fixture.image) == {"image.builder"} with data.image.provenance as asking({"builders": ["other"]})
	without("/evidence/provenance/facts/builder") == {"image.builder"} with data.image.provenance as mine
	changed("/evidence/provenance/facts", {}) == {"image.builder"} with data.image.provenance as mine
}

test_no_provenance_is_by_no_builder_of_ours if {
	setting := asking({"required": [], "builders": ["urn:sluiceway:builder:build-layers"]})
	denied(unknown_origin) == {"image.builder"} with data.image.provenance as setting
	failed := fixture.set(fixture.image, "/evidence/provenance/status", "failed")
	denied(failed) == {"image.builder", "image.provenance"} with data.image.provenance as setting
}

test_the_refusal_names_the_builder_and_ours if {
	contains(messages(fixture.image), "by urn:sluiceway:builder:build-layers, which is none of a, b.") with data.image.provenance as asking({"builders": ["a", "b"]})
}
