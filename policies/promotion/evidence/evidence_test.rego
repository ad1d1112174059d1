package promotion_test

import data.lib_test as fixture

test_any_other_evidence if {
	good := fixture.evidence("migrations", {})
	changed("/evidence/migrations", good) == set()
	changed("/evidence/migrations", object.union(good, {"subject": fixture.other})) == {"gate.evidence"}
	every status in ["failed", "error", "no-data", "inconclusive"] {
		changed("/evidence/migrations", object.union(good, {"status": status})) == {"gate.evidence"}
	}
}
