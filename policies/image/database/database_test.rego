package image_test

import data.image
import data.lib_test as fixture

newest := "/evidence/scan/facts/scanners/0/database/newest"

test_stale_database if {
	changed(newest, "2016-01-01T00:00:00Z") == {"image.database-stale"}
	without(newest) == {"image.database-stale"}
	denied(fixture.image) == {"image.database-stale"} with data.image.database_max_age_days as 7
}

test_a_database_without_a_date_is_refused_unless_its_scanner_is_listed if {
	changed(newest, null) == {"image.database-stale"}
	changed(newest, null) == set() with data.image.undated_databases as ["osv"]
	changed(newest, null) == {"image.database-stale"} with data.image.undated_databases as ["other"]
	without(newest) == {"image.database-stale"} with data.image.undated_databases as ["osv"]
}

test_every_database_is_judged_and_not_only_the_first if {
	denied(second_scanner({})) == set()
	stale := second_scanner({"database": {"newest": "2016-01-01T00:00:00Z"}})
	denied(stale) == {"image.database-stale"}
	some found in image.decision.deny with input as stale
	found.about == "second"
	denied(second_scanner({"database": {"advisories": 0}})) == {"image.scan-unscanned"}
}
