package migration_test

test_what_could_be_done_concurrently if {
	every kind, code in {
		"drop_index": "migration.drop-index-not-concurrent",
		"reindex": "migration.reindex",
		"refresh_view": "migration.refresh-view",
	} {
		advice(kind, {"object": "i"}) == {code}
		advice(kind, {"object": "i", "concurrently": false}) == {code}
		advice(kind, {"object": "i", "concurrently": true}) == set()
		advice(kind, {"object": "i", "new_object": "yes"}) == set()
	}
	advised(speaking("mysql", advising("drop_index", {"object": "i"}))) == set()
	advised(speaking("mysql", advising("reindex", {"object": "i"}))) == set()
	contains(solved(advising("drop_index", {"object": "a.I"})), `DROP INDEX CONCURRENTLY a."I";`)
}

test_concurrently_in_a_transaction if {
	every kind in ["create_index", "drop_index", "reindex", "detach_partition"] {
		advice(kind, {"concurrently": true, "in_transaction": "yes"}) == {"migration.concurrent-in-transaction"}
		advice(kind, {"concurrently": true, "in_transaction": "maybe"}) == set()
		advice(kind, {"concurrently": true, "in_transaction": "yes", "new_object": "yes"}) == set()
	}
	not "migration.concurrent-in-transaction" in advice("reindex", {"in_transaction": "yes"})
}
