package migration_test

import data.lib_test as fixture

lacking(document) := {found.msg | some found in judged(document).deny; found.code == "migration.incomplete"}

whole(what) := sprintf("The facts about the migrations are not whole: %s.", [what])

without(path) := lacking(fixture.unset(fixture.migration, path))

changed(path, value) := lacking(fixture.set(fixture.migration, path, value))

test_what_is_counted_is_there if {
	without("/files") == {whole("the number of files is missing")}
	without("/statements") == {whole("the number of statements is missing")}
	changed("/files", "1") == {whole("the number of files is missing")}
	without("/facts") == {whole("there are none"), whole("there are others than were counted")}
	changed("/facts", {}) == {whole("there are none"), whole("there are others than were counted")}
	others := {whole("there are others than were counted")}
	without("/facts/0") == others
	without("/kinds") == others
	without("/kinds/drop_table") == others
	changed("/kinds/drop_table", 2) == others
	changed("/kinds/truncate", 1) == others
}

test_every_fact_is_one_that_the_rules_know if {
	unknown := whole("fact 0 is of a kind that nobody knows")
	unknown in without("/facts/0/kind")
	unknown in changed("/facts/0/kind", "drop_tables")
	unknown in changed("/facts/0", "drop_table")
	without("/facts/1/file") == {whole("fact 1 has no file")}
	changed("/facts/1/file", "") == {whole("fact 1 has no file")}
	without("/facts/2/line") == {whole("fact 2 has no line")}
	changed("/facts/2/line", "3") == {whole("fact 2 has no line")}
	without("/facts/0/statement_hash") == {whole("fact 0 has no statement_hash")}
	changed("/facts/0/statement_hash", null) == {whole("fact 0 has no statement_hash")}
}

test_no_facts_at_all_may_be_right if {
	denied(fixture.migrating([])) == set()
}

test_no_waiver_excuses_it if {
	some found in judged({}).deny
	found.waivable == false
}
