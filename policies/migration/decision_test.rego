package migration_test

import data.lib_test as fixture
import data.migration

judged(document) := result if result := migration.decision with input as document

denied(document) := fixture.codes(judged(document).deny)

warned(document) := fixture.codes(judged(document).warn)

advised(document) := fixture.codes(judged(document).advice)

# What one fact comes to.
one(kind, more) := fixture.migrating([fixture.fact(kind, more)])

said(document) := concat(" ", [found.msg |
	some level in ["deny", "warn", "advice"]
	some found in judged(document)[level]
])

solved(document) := concat(" ", [found.solution |
	some level in ["deny", "warn", "advice"]
	some found in judged(document)[level]
])

speaking(dialect, document) := fixture.set(document, "/dialect", dialect)

test_a_harmless_migration_passes if {
	migration.decision == {
		"deny": set(), "warn": set(), "advice": set(),
		"waivers": {"objections": {}, "warn": set()},
	} with input as fixture.migration
}

test_nothing_known_denies if {
	denied({}) == {"migration.incomplete"}
}

dropping := one("drop_table", {"table": "users"})

test_how_much_a_rule_weighs_is_data if {
	denied(dropping) == {"migration.drop-table"}
	warned(dropping) == set()
	advised(dropping) == set()
	w := judged(dropping) with data.migration.levels as leveled("drop-table", "warn")
	fixture.codes(w.warn) == {"migration.drop-table"}
	w.deny == set()
	off := judged(dropping) with data.migration.levels as leveled("drop-table", "off")
	off == judged(fixture.migration)
}

test_advice_is_given_where_it_is_asked_for_and_decides_nothing if {
	only_advised := object.union({rule: "off" | some rule, _ in data.migration.levels}, {"drop-table": "advice", "unparsable": "deny"})
	silent := judged(dropping) with data.migration.levels as only_advised
	silent == judged(fixture.migration)
	given := judged(fixture.set(dropping, "/advice", true)) with data.migration.levels as only_advised
	fixture.codes(given.advice) == {"migration.drop-table"}
	given.deny == set()
	given.warn == set()
}

test_a_level_that_is_not_understood_denies if {
	every wrong in ["Deny", null, 1, {}] {
		found := denied(dropping) with data.migration.levels as leveled("drop-table", wrong)
		found == {"migration.drop-table", "migration.settings"}
	}
	none := denied(dropping) with data.migration.levels as null
	{"migration.drop-table", "migration.settings"} & none == {"migration.drop-table", "migration.settings"}
}

test_a_finding_says_where if {
	some found in judged(one("drop_table", {"table": "public.users"})).deny
	found.at == {
		"file": "db/1.sql", "line": 3, "table": "public.users", "column": "",
		"statement": "ALTER TABLE ...", "statement_hash": fixture.digest,
	}
	found.about == fixture.digest
	found.waivable
	endswith(found.solution, sprintf("\nOr have exactly this approved: `invoke waive migration.drop-table/%s --reason=... --expires=7d`", [fixture.digest]))
	not contains(found.solution, "{")
}

test_only_what_denies_and_may_be_waived_says_how if {
	warning := solved(dropping) with data.migration.levels as leveled("drop-table", "warn")
	not contains(warning, "waive")
	never := solved(dropping) with data.lib.waivable as []
	not contains(never, "waive")
	nowhere := solved(object.union(dropping, {"service": ""}))
	not contains(nowhere, "waive")
	contains(solved(dropping), "waive")
}

test_what_is_copied_into_a_shell_is_quoted if {
	odd := fixture.migrating([fixture.fact("truncate", {"table": "it's"}), fixture.fact("truncate", {"table": "$(x)"})])
	contains(solved(odd), sprintf(`waive migration.truncate/'%s/$(x)' --reason`, [fixture.digest]))
	contains(solved(odd), sprintf(`waive migration.truncate/'%s/it'\''s' --reason`, [fixture.digest]))
}

named(facts) := {found.about | some found in judged(fixture.migrating(facts)).deny}

test_an_approval_names_exactly_one if {
	named([fixture.fact("truncate", {"table": "a"}), fixture.fact("truncate", {"table": "b"})]) == {
		sprintf("%s/a", [fixture.digest]),
		sprintf("%s/b", [fixture.digest]),
	}
	named([
		fixture.fact("drop_column", {"table": "t", "column": "a"}),
		fixture.fact("drop_column", {"table": "t", "column": "b"}),
	]) == {sprintf("%s/t.a", [fixture.digest]), sprintf("%s/t.b", [fixture.digest])}
	named([
		fixture.fact("drop_table", {"table": "a"}),
		fixture.fact("truncate", {"table": "a"}),
	]) == {fixture.digest}
	named([
		fixture.fact("truncate", {"table": "a"}),
		fixture.fact("truncate", {"table": "b", "statement_hash": fixture.other}),
	]) == {fixture.digest, fixture.other}
	named([
		fixture.fact("truncate", {"table": "a"}),
		fixture.fact("truncate", {"table": "b"}),
		fixture.fact("truncate", {"table": "c", "statement_hash": fixture.other}),
	]) == {sprintf("%s/a", [fixture.digest]), sprintf("%s/b", [fixture.digest]), fixture.other}
}

# What a rule says without the help of `about`.
own(more) := object.union(
	{
		"code": "migration.rename-column", "msg": "Renamed.", "solution": "Wait.",
		"at": {
			"file": "f", "line": 1, "table": "a", "column": "",
			"statement": "ALTER ...", "statement_hash": fixture.digest,
		},
	},
	more,
)

elsewhere := own({"at": {"table": "b"}})

by_name(findings) := {[found.about, found.waivable] | some found in decided.warn} if {
	decided := migration.decision with input as dropping with migration.finding as findings
}

test_no_rule_names_or_excuses_its_findings_itself if {
	by_name({own({})}) == {[fixture.digest, true]}
	by_name({own({"about": "all", "waivable": true})}) == {[fixture.digest, true]}
	by_name({own({"about": fixture.digest, "waivable": false})}) == {[fixture.digest, true]}
	forbidden := by_name({own({"about": fixture.digest, "waivable": true})}) with data.lib.waivable as []
	forbidden == {[fixture.digest, false]}
	by_name({own({}), elsewhere}) == {[sprintf("%s/a", [fixture.digest]), true], [sprintf("%s/b", [fixture.digest]), true]}
}

test_what_a_rule_of_a_site_finds_is_never_lost if {
	placeless := {"code": "site.rule", "msg": "No.", "solution": "Ask."}
	lost := migration.deny with input as fixture.migration
		with data.migration.finding as {placeless, {"msg": "Without a code."}}
	lost == {object.union(placeless, {"about": "", "waivable": false}), {"msg": "Without a code."}}
}

test_a_hash_is_quoted_where_it_has_to_be if {
	odd := fixture.migrating([fixture.fact("truncate", {"table": "a", "statement_hash": "it's"})])
	contains(solved(odd), `waive migration.truncate/'it'\''s' --reason`)
	nameless := fixture.migrating([fixture.fact("truncate", {"table": "a", "statement_hash": ""})])
	contains(solved(nameless), `waive migration.truncate/'' --reason`)
}

test_the_circumstances_are_said if {
	said(dropping) == concat("", [
		"The table users is dropped: code that still runs fails when it next asks for it, ",
		"and its rows are gone.",
	])
	endswith(said(one("drop_table", {"in_do": true})), "It stands in a block or function that is run.")
	endswith(said(one("drop_table", {"in_do": true, "within": "f"})), "It happens in f, which this statement runs.")
	old := said(one("drop_table", {"in_do": true, "within": "f", "made_in": "db/1.sql"}))
	endswith(old, "It happens in f, which this statement runs and db/1.sql has made.")
	endswith(said(one("drop_table", {"dynamic": true})), "The SQL is put together while it runs.")
	endswith(said(speaking("mysql", one("drop_table", {"guessed": true}))), "this is what its words say.")
	contains(said(one("drop_table", {})), "The table (which one cannot be told) is dropped")
}

broken := fixture.migrating([
	fixture.fact("unparsable", {}),
	fixture.fact("drop_table", {"table": "users", "guessed": true}),
	fixture.fact("create_index", {"table": "users", "guessed": true}),
])

test_what_postgresql_refuses_is_refused_once if {
	denied(broken) == {"migration.unparsable"}
	warned(broken) == set()
	denied(speaking("mysql", broken)) == {"migration.unparsable", "migration.drop-table"}
	lenient := judged(broken) with data.migration.levels as leveled("unparsable", "warn")
	fixture.codes(lenient.deny) == {"migration.drop-table"}
	later := fixture.migrating([
		fixture.fact("unparsable", {"dynamic": true}),
		fixture.fact("drop_table", {"table": "users", "guessed": true, "dynamic": true}),
	])
	denied(later) == {"migration.unparsable", "migration.drop-table"}
}

test_what_words_say_of_a_statement_that_is_not_refused_counts if {
	denied(one("drop_table", {"table": "users", "guessed": true})) == {"migration.drop-table"}
	apart := fixture.migrating([
		fixture.fact("unparsable", {"statement_hash": fixture.other}),
		fixture.fact("drop_table", {"table": "users", "guessed": true}),
	])
	denied(apart) == {"migration.unparsable", "migration.drop-table"}
}

test_names_are_quoted_where_they_have_to_be if {
	contains(solved(one("drop_table", {"table": "public.users"})), "ALTER TABLE public.users RENAME TO users_dropped;")
	strange := one("drop_table", {"table": `a"; x`})
	contains(solved(strange), `DROP TABLE "a""; x_dropped";`)
	ticks := one("drop_table", {"table": "a`b"})
	contains(solved(speaking("mysql", ticks)), "ALTER TABLE `a``b` RENAME TO `a``b_dropped`;")
	contains(solved(speaking("tsql", one("truncate", {"table": "dbo.Or]der"}))), "FROM dbo.[Or]]der] WHERE")
	contains(solved(one("drop_column", {"table": "order", "column": "desc"})), `ALTER TABLE "order" DROP COLUMN "desc";`)
	contains(solved(one("drop_column", {"table": "app.user", "column": "key"})), `ALTER TABLE app."user" DROP COLUMN key;`)
	contains(solved(speaking("mysql", one("drop_column", {"table": "t", "column": "key"}))), "DROP COLUMN `key`;")
	contains(solved(one("drop_table", {})), "ALTER TABLE <table> RENAME TO dropped;")
	contains(solved(one("drop_column", {"table": "t", "column": "a.b"})), `DROP COLUMN "a.b";`)
	contains(solved(one("drop_column", {"table": "<x>; y"})), `TABLE "<x>; y" DROP COLUMN <column>;`)
	contains(solved(one("drop_table", {"table": "Orders"})), `ALTER TABLE "Orders" RENAME TO "Orders_dropped";`)
}

test_a_constraint_is_named_after_what_it_is_about if {
	every table, begin in {"t": "t_", "app.t": "t_", "user": "user_"} {
		contains(solved(one("set_not_null", {"table": table, "column": "c"})), sprintf("ADD CONSTRAINT %sc_not_null CHECK (c IS", [begin]))
	}
	contains(solved(one("set_not_null", {"column": "c"})), "ALTER TABLE <table> ADD CONSTRAINT c_not_null CHECK (c IS")
	contains(solved(one("set_not_null", {"table": "t", "column": "a.B"})), `ADD CONSTRAINT "t_a.B_not_null" CHECK ("a.B" IS`)
	contains(solved(one("set_not_null", {"table": "T", "column": "c"})), `ALTER TABLE "T" ADD CONSTRAINT "T_c_not_null" CHECK (c IS`)
}
