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

test_the_signature_must_hold if {
	changed("/evidence", {}) == {"image.signature"}
	changed("/evidence/signature/subject", fixture.other) == {"image.signature-subject"}
}

test_only_to_what_has_served if {
	changed("/deployed_before", false) == {"rollback.unknown"}
	denied(fixture.unset(fixture.rollback, "/deployed_before")) == {"rollback.unknown"}
}

test_unproven if {
	changed("/actor/proven", false) == {"identity.unproven"}
}

test_rehearsal_accepts_and_says_so if {
	rehearsed := fixture.set(fixture.set(fixture.rollback, "/actor/proven", false), "/rehearsal", true)
	denied(rehearsed) == set()
	warned(rehearsed) == {"identity.rehearsal"}
}

test_noop_warns if {
	warned(fixture.set(fixture.rollback, "/current", fixture.digest)) == {"rollback.noop"}
}

test_nothing_known_denies if {
	denied({}) == {"identity.unproven", "image.signature", "rollback.unknown"}
}
