package migration_test

import data.lib_test as fixture

lacking(document) := {found.msg | some found in judged(document).deny; found.code == "migration.incomplete"}

whole(what) := sprintf("The facts about the migrations are not whole: %s.", [what])

without(path) := lacking(fixture.unset(fixture.migration, path))

changed(path, value) := lacking(fixture.set(fixture.migration, path, value))

others := whole("there are others than were counted")

unplaced := whole("some have no file, no line or no hash of a statement")

test_what_is_counted_is_there if {
	without("/files") == {whole("the number of files is missing")}
	without("/statements") == {whole("the number of statements is missing")}
	changed("/files", "1") == {whole("the number of files is missing")}
	without("/facts") == {whole("there are none"), others, unplaced}
	changed("/facts", {}) == {whole("there are none"), others}
	changed("/facts", []) == {others}
	without("/facts/0") == {others}
	without("/kinds") == {others}
	without("/kinds/drop_table") == {others}
	without("/kinds/drop_table/0") == {others}
	changed("/kinds/drop_table", [1]) == {others}
	changed("/kinds/drop_table", 2) == {others}
	doubled := fixture.migrating([fixture.fact("drop_view", {}), fixture.fact("drop_view", {})])
	lacking(fixture.set(doubled, "/kinds/drop_view", [0, 0])) == {others}
	lacking(fixture.set(doubled, "/kinds/drop_view", [0])) == {others}
}

test_every_fact_is_one_that_the_rules_know if {
	without("/facts/0/kind") == {others}
	others in changed("/facts/-", {"file": "f", "line": 1, "statement_hash": "h"})
	changed("/facts/0/kind", "drop_tables") == {others}
	recounted := fixture.migrating([fixture.fact("drop_tables", {})])
	lacking(recounted) == {whole("nobody knows the kind drop_tables")}
	every path in ["/facts/1/file", "/facts/1/line", "/facts/1/statement_hash"] {
		without(path) == {unplaced}
		changed(path, "") == {unplaced}
		changed(path, null) == {unplaced}
		changed(path, {}) == {unplaced}
	}
	changed("/facts/2/line", "3") == {unplaced}
	changed("/facts/2/file", 3) == {unplaced}
	changed("/facts/2/statement_hash", 3) == {unplaced}
}

test_no_facts_at_all_may_be_right if {
	denied(fixture.migrating([])) == set()
}

test_no_waiver_excuses_it if {
	some found in judged({}).deny
	found.waivable == false
}
