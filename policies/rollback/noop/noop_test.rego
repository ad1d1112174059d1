package rollback_test

import data.lib_test as fixture

test_noop_warns if {
	warned(fixture.set(fixture.rollback, "/current", fixture.digest)) == {"rollback.noop"}
}
