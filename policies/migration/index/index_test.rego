package migration_test

indexing(more) := one("create_index", object.union(
	{"table": "users", "object": "users_plan", "statement": "CREATE UNIQUE INDEX users_plan ON users (plan)"},
	more,
))

blocked := {"migration.index-not-concurrent"}

test_an_index_that_keeps_others_from_writing_is_warned_of if {
	warned(indexing({})) == blocked
	denied(indexing({})) == set()
	warned(indexing({"concurrently": true})) == set()
	warned(indexing({"new_object": "yes"})) == set()
	warned(indexing({"new_object": "maybe"})) == set()
	warned(indexing({"temporary": true})) == set()
	warned(indexing({"only": true})) == set()
	warned(indexing({"only": false})) == blocked
	said(indexing({})) == "The index users_plan is built on users without letting anybody write to it meanwhile."
}

test_how_a_dialect_builds_them_is_data if {
	warned(speaking("tsql", indexing({}))) == blocked
	warned(speaking("tsql", indexing({"concurrently": true}))) == set()
	warned(speaking("sqlite", indexing({}))) == set()
	warned(speaking("mysql", indexing({}))) == set()
	warned(speaking("mysql", indexing({"label": "algorithm=inplace lock=none"}))) == set()
	warned(speaking("mysql", indexing({"label": "fulltext"}))) == blocked
	warned(speaking("mysql", indexing({"label": "algorithm=inplace lock=shared"}))) == blocked
	warned(speaking("sqlite", indexing({"label": "algorithm=inplace lock=shared"}))) == set()
	warned(speaking("postgres", indexing({"label": "unique"}))) == blocked
	unsaid := warned(indexing({})) with data.migration.index_online as {}
	unsaid == blocked
}

written(document) := concat("\n", array.slice(split(solved(document), "\n"), 1, 9))

test_the_statement_is_written_out_concurrently if {
	written(indexing({})) == "CREATE UNIQUE INDEX CONCURRENTLY users_plan ON users (plan);"
	written(indexing({"statement": "create index on users (plan);"})) == "CREATE INDEX CONCURRENTLY on users (plan);"
	written(indexing({"statement": "DO $$ ... $$"})) == ""
	written(speaking("tsql", indexing({"statement": "CREATE INDEX i ON t (c);"}))) == "CREATE INDEX i ON t (c) WITH (ONLINE = ON);"
	written(speaking("mysql", indexing({"label": "algorithm=inplace lock=shared"}))) == "ALTER TABLE ... ADD INDEX ..., ALGORITHM=INPLACE, LOCK=NONE;"
	unsaid := written(speaking("sqlite", indexing({}))) with data.migration.index_online as {}
	unsaid == ""
}

test_a_partitioned_table_is_told_another_way if {
	every how in ["yes", "maybe"] {
		document := indexing({"partitioned": how, "statement": "CREATE INDEX users_plan ON users USING btree (plan)"})
		written(document) == concat("\n", [
			"-- the table is partitioned, and a partitioned index cannot be built concurrently:",
			"CREATE INDEX users_plan ON ONLY users USING btree (plan);",
			"CREATE INDEX CONCURRENTLY <name> ON <partition> (...); -- for each partition",
			"ALTER INDEX users_plan ATTACH PARTITION <name>; -- for each of them",
		])
	}
	startswith(written(indexing({"partitioned": "no"})), "CREATE UNIQUE INDEX CONCURRENTLY")
	startswith(written(speaking("tsql", indexing({"partitioned": "yes"}))), "CREATE UNIQUE INDEX users_plan ON users (plan) WITH")
}
