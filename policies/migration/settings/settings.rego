package migration

import data.lib

# METADATA
# title: What weighs how much is said in a form that is understood
# description: >-
#   data.migration.levels gives each rule deny, warn, advice or off (unparsable: deny or warn),
#   data.migration.index_online says of each dialect how its indexes are built, and data.migration.also
#   lists kinds of facts that only rules of the site's own look at. What is misspelt there would else
#   silently do something else than was meant.
# custom:
#   code: migration.settings
#   solution: >-
#     Write data.migration.levels as docs/migrations.md shows it, for example {"rename-column":
#     "deny"}; what it leaves out keeps its default.
deny contains found if {
	some what in misunderstood
	found := lib.finding(rego.metadata.rule(), sprintf("The policy's setting migration.%s.", [what]))
}

misunderstood contains "levels is no object" if not levels_listed

misunderstood contains sprintf("levels.%s is %v, which is none of %s", [rule, given, concat(", ", sort(allowed(rule)))]) if {
	some rule, given in data.migration.levels
	not given in allowed(rule)
}

misunderstood contains sprintf("levels.%s is about no rule", [rule]) if {
	some rule, _ in data.migration.levels
	not rule in rules
}

misunderstood contains sprintf("levels.%s is missing", [rule]) if {
	some rule in rules
	not given_level(rule)
}

misunderstood contains sprintf("index_online.%s is %v, which is none of always, asked, default", [dialect, given]) if {
	some dialect, given in data.migration.index_online
	not given in {"always", "asked", "default"}
}

misunderstood contains "also is no list of kinds of facts" if not also_listed

levels_listed if is_object(data.migration.levels)

also_listed if {
	is_array(data.migration.also)
	every kind in data.migration.also {
		kind in kinds
	}
}

given_level(rule) if data.migration.levels[rule]

allowed(rule) := {"deny", "warn"} if {
	rule == "unparsable"
} else := level_words

# METADATA
# title: Rules
# description: The rules of this gate, as data.migration.levels names them.
rules := {"cascade", "check-constraint", "concurrent-in-transaction", "drop-column", "drop-default", "drop-index-not-concurrent", "drop-object", "drop-table", "enum-value", "exclusion-constraint", "foreign-key", "generated-column", "index-not-concurrent", "json-column", "lock-timeout", "not-null-without-default", "partition", "refresh-view", "reindex", "rename-column", "rename-table", "rewrite-table", "truncate", "type-change", "unique-constraint", "unparsable", "volatile-default"}
