package rollback_test

import data.lib_test as fixture

test_only_to_what_has_served if {
	changed("/deployed_before", false) == {"rollback.unknown"}
	denied(fixture.unset(fixture.rollback, "/deployed_before")) == {"rollback.unknown"}
}
