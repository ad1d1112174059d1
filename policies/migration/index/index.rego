package migration

# METADATA
# title: An index is built while the table is used
# description: >-
#   Building an index on a table that existed before does not keep everybody from writing to it. How a
#   dialect builds one is data (data.migration.index_online): only when it is asked to go on (asked),
#   unless it is asked to stop (default), or always. A table that CREATE TABLE IF NOT EXISTS may have
#   made counts as new here: nothing is lost.
# custom:
#   code: migration.index-not-concurrent
#   solution: >-
#     Build it concurrently, by itself and outside of a transaction.
finding contains found if {
	rule := rego.metadata.rule()
	wanted(rule)
	not how_built == "always"
	blocking := [fact |
		some fact in perhaps_blocking(surely_old_facts({"create_index"}))
		not fact.concurrently == true
		not fact.only == true # of a partitioned table, without building anything
	]
	said := findings(rule, [[fact, message, safe] |
		some [fact, safe] in built_safely(blocking)
		message := sprintf("The index %s is built on %s without letting anybody write to it meanwhile.", [
			object.get(fact, "object", "(without a name)"),
			object.get(fact, "table", "a table"),
		])
	])
	some fact in blocking
	found := said[fact]
}

perhaps_blocking(builds) := [fact | some fact in builds; asked_to_stop(fact)] if {
	how_built == "default"
} else := builds

asked_to_stop(fact) if {
	some word in split(fact.label, " ")
	word in blocking_builds
}

# METADATA
# title: Blocking builds
# description: What a statement says when it asks for a build that others have to wait for.
blocking_builds := {"algorithm=copy", "fulltext", "lock=exclusive", "lock=shared", "spatial", "vector"}

how_built := data.migration.index_online[input.dialect]

# Each of these facts with the lines that do it safely.
built_safely(builds) := array.concat(of_partitioned, of_others) if {
	postgres
	of_partitioned := [[fact, by_partition(fact)] | some fact in builds; fact.partitioned in {"yes", "maybe"}]
	of_others := [[fact, safe] |
		some fact in builds
		not object.get(fact, "partitioned", "no") in {"yes", "maybe"}
		statement := object.get(fact, "statement", "")
		safe := [concat("", [trim_suffix(online, ";"), ";"]) |
			online := regex.replace(statement, `(?i)^create\s+(unique\s+)?index\b\s*`, "CREATE ${1}INDEX CONCURRENTLY ")
			online != statement # it is such a statement
		]
	]
} else := [[fact, [online]] |
	some fact in builds
	online := concat("", [trim_suffix(object.get(fact, "statement", ""), ";"), " WITH (ONLINE = ON);"])
] if {
	tsql
} else := [[fact, ["ALTER TABLE ... ADD INDEX ..., ALGORITHM=INPLACE, LOCK=NONE;"]] | some fact in builds] if {
	mysql
} else := [[fact, []] | some fact in builds]

by_partition(fact) := [
	"-- the table is partitioned, and a partitioned index cannot be built concurrently:",
	concat("", [
		regex.replace(
			object.get(fact, "statement", ""),
			`(?i)^(create\s+(?:unique\s+)?index\b.*?\bon)\s+(?:only\s+)?(.*?);?$`,
			"$1 ONLY $2",
		),
		";",
	]),
	"CREATE INDEX CONCURRENTLY <name> ON <partition> (...); -- for each partition",
	sprintf("ALTER INDEX %s ATTACH PARTITION <name>; -- for each of them", [sql(object.get(fact, "object", ""), "index")]),
]
