package promotion_test

import data.lib_test as fixture

test_unproven if {
	changed("/actor/proven", false) == {"identity.unproven"}
	without("/actor/proven") == {"identity.unproven"}
}

test_rehearsal_accepts_and_says_so if {
	rehearsed := fixture.set(fixture.set(fixture.promotion, "/actor/proven", false), "/rehearsal", true)
	denied(rehearsed) == set()
	warned(rehearsed) == {"identity.rehearsal"}
}
