package rollback_test

import data.lib_test as fixture

test_unproven if {
	changed("/actor/proven", false) == {"identity.unproven"}
}

test_rehearsal_accepts_and_says_so if {
	rehearsed := fixture.set(fixture.set(fixture.rollback, "/actor/proven", false), "/rehearsal", true)
	denied(rehearsed) == set()
	warned(rehearsed) == {"identity.rehearsal"}
}
