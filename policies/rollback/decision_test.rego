package rollback_test

import data.lib_test as fixture
import data.rollback

judged(document) := result if result := rollback.decision with input as document

denied(document) := fixture.codes(judged(document).deny)

warned(document) := fixture.codes(judged(document).warn)

changed(path, value) := denied(fixture.set(fixture.rollback, path, value))

test_a_good_rollback_passes if {
	rollback.decision == {"deny": set(), "warn": set(), "waivers": {"objections": {}, "warn": set()}} with input as fixture.rollback
}

test_nothing_known_denies if {
	denied({}) == {"identity.unproven", "image.signature", "rollback.unknown"}
}
