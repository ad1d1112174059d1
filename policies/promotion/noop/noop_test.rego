package promotion_test

import data.lib_test as fixture

test_noop_warns if {
	document := fixture.set(fixture.promotion, "/target_holds", fixture.digest)
	warned(document) == {"promotion.noop"}
	every finding in judged(document).warn {
		contains(finding.solution, "started again")
	}
}
