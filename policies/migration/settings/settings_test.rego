package migration_test

import data.lib_test as fixture

misunderstood(document) := {found.msg | some found in judged(document).deny; found.code == "migration.settings"}

setting(what) := {sprintf("The policy's setting migration.%s.", [what])}

leveled(rule, level) := object.union(data.migration.levels, {rule: level})

test_levels_are_understood if {
	ok := denied(fixture.migration) with data.migration.levels as leveled("truncate", "off")
	ok == set()
	wrong := misunderstood(fixture.migration) with data.migration.levels as leveled("truncate", "Off")
	wrong == setting("levels.truncate is Off, which is none of advice, deny, off, warn")
	unknown := misunderstood(fixture.migration) with data.migration.levels as leveled("drop-tables", "off")
	unknown == setting("levels.drop-tables is about no rule")
	gone := misunderstood(fixture.migration) with data.migration.levels as object.remove(data.migration.levels, ["truncate"])
	gone == setting("levels.truncate is missing")
	none := misunderstood(fixture.migration) with data.migration.levels as null
	setting("levels is no object") & none == setting("levels is no object")
}

test_what_cannot_be_read_is_never_switched_off if {
	warning := denied(fixture.migration) with data.migration.levels as leveled("unparsable", "warn")
	warning == set()
	every level in ["off", "advice"] {
		off := misunderstood(fixture.migration) with data.migration.levels as leveled("unparsable", level)
		off == setting(sprintf("levels.unparsable is %s, which is none of deny, warn", [level]))
	}
}

test_the_kinds_that_are_sent_as_well_are_kinds if {
	fine := denied(fixture.migration) with data.migration.also as ["create_table"]
	fine == set()
	every wrong in [null, "create_table", ["create_tables"], [1]] {
		found := misunderstood(fixture.migration) with data.migration.also as wrong
		found == setting("also is no list of kinds of facts")
	}
}

test_how_indexes_are_built_is_understood if {
	found := misunderstood(fixture.migration) with data.migration.index_online as {"postgres": "asked", "mysql": "never"}
	found == setting("index_online.mysql is never, which is none of always, asked, default")
	good := misunderstood(fixture.migration) with data.migration.index_online as {"a": "asked", "b": "always", "c": "default"}
	good == set()
}
