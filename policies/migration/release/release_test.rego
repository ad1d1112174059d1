package migration_test

import data.lib_test as fixture

released := {
	"known": true,
	"problem": "",
	"version": "1.6.0",
	"uses": null,
	"new": ["1.sql"],
	"changed": [],
	"missing": [],
	"out_of_order": [],
	"held": {"digest": fixture.other, "version": "1.5.0", "known": true, "problem": ""},
}

# The harmless migration as a promotion brings it.
promoted(document) := object.union(document, {
	"run": "r1",
	"image": fixture.promotion.image,
	"source": "canary",
	"target": "production",
	"release": released,
})

bringing(path, value) := fixture.set(promoted(fixture.migration), concat("", ["/release", path]), value)

test_a_release_that_says_what_it_migrates_passes if {
	judged(promoted(fixture.migration)) == judged(fixture.migration)
}

test_it_has_to_be_known_what_a_release_migrates if {
	denied(bringing("/known", false)) == {"migration.unknown"}
	denied(fixture.unset(promoted(fixture.migration), "/release/known")) == {"migration.unknown"}
	denied(fixture.unset(promoted(fixture.migration), "/release")) == {"migration.unknown"}
	contains(said(fixture.set(bringing("/known", false), "/release/problem", "none is attested")), "none is attested")
}

test_it_has_to_be_known_what_has_run if {
	denied(bringing("/held/known", false)) == {"migration.baseline"}
	denied(bringing("/held", {})) == {"migration.baseline"}
	denied(bringing("/held", null)) == set()
	contains(said(bringing("/held/known", false)), "What production holds (1.5.0) does not say")
}

test_what_has_run_stays_as_it_was if {
	changed := bringing("/changed", ["0.sql"])
	denied(changed) == {"migration.changed"}
	contains(said(changed), "The migration 0.sql has run in production with another content")
	contains(solved(changed), "Give 0.sql back")
}

test_a_release_knows_what_has_run if {
	missing := bringing("/missing", ["0.sql"])
	denied(missing) == {"migration.missing"}
	contains(said(missing), "production has run the migration 0.sql")
	contains(solved(missing), "--env=production")
}

test_a_late_one_is_said if {
	late := bringing("/out_of_order", ["0.sql"])
	denied(late) == set()
	warned(late) == {"migration.order"}
	contains(said(late), "0.sql is new in production and sorts before")
}
