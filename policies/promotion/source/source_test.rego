package promotion_test

import data.lib_test as fixture

test_source_moved if {
	changed("/source_holds", fixture.other) == {"promotion.source"}
	changed("/source_holds", null) == {"promotion.source"}
	without("/source_holds") == {"promotion.source"}
}
