package image_test

import data.image
import data.lib_test as fixture

asking(change) := object.union(
	{"branches": [], "builders": [], "repositories": [], "required": "all"},
	change,
)

unknown_origin := fixture.unset(fixture.image, "/evidence/provenance")

test_provenance if {
	denied(unknown_origin) == {"image.provenance"}
	changed("/evidence/provenance/status", "failed") == {"image.provenance"}
	changed("/evidence/provenance/subject", fixture.other) == {"image.provenance"}
	without("/evidence/provenance/status") == {"image.provenance"}
	without("/evidence/provenance/subject") == {"image.provenance"}
}

test_provenance_may_be_required_for_some_environments if {
	setting := asking({"required": ["production"]})
	denied(unknown_origin) == set() with data.image.provenance as setting
	dev := fixture.set(unknown_origin, "/target", "dev")
	denied(dev) == set() with data.image.provenance as setting
	production := fixture.set(unknown_origin, "/target", "production")
	denied(production) == {"image.provenance"} with data.image.provenance as setting
	denied(production) == set() with data.image.provenance as asking({"required": []})
}

test_provenance_that_is_there_is_heard if {
	setting := asking({"required": []})
	changed("/evidence/provenance/status", "failed") == {"image.provenance"} with data.image.provenance as setting
	changed("/evidence/provenance/subject", fixture.other) == {"image.provenance"} with data.image.provenance as setting
}

test_provenance_says_what_is_wrong if {
	contains(messages(unknown_origin), "There is no provenance of sha256:a")
	contains(messages(fixture.set(fixture.image, "/evidence/provenance/status", "failed")), "status is failed (The")
	contains(messages(fixture.set(fixture.image, "/evidence/provenance/subject", "x")), "is about x, not about")
}

test_a_provenance_setting_that_is_not_understood_allows_nothing if {
	every wrong in [
		null, {}, "all", [],
		asking({"required": true}), asking({"required": "production"}), asking({"required": [""]}),
		asking({"builders": "b"}), asking({"repositories": [1]}), asking({"branches": [""]}),
		asking({"branch": "main"}), object.remove(asking({}), ["builders"]),
	] {
		not image.provenance_understood with data.image.provenance as wrong
	}
	image.provenance_understood with data.image.provenance as asking({"required": ["dev"], "branches": ["b"]})
	denied(fixture.image) == {"image.provenance"} with data.image.provenance as {}
}
