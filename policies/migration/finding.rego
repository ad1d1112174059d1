package migration

import data.lib

# METADATA
# title: Wanted
# description: The rule is not switched off, and advice was asked for where it is no more than that.
wanted(rule) if level(rule.custom.code) in {"deny", "warn"}

wanted(rule) if {
	level(rule.custom.code) == "advice"
	input.advice == true
}

# METADATA
# title: Level
# description: >-
#   What a finding of this code does: deny, warn, advice or off, as data.migration.levels says. A
#   level that is missing or not understood denies.
level(code) := found if {
	found := data.migration.levels[trim_prefix(code, "migration.")]
	found in level_words
} else := "deny"

level_words := {"deny", "warn", "advice", "off"}

# METADATA
# title: About a fact
# description: >-
#   What a rule (its rego.metadata.rule()) says of one fact. The solution of the METADATA is filled in,
#   and the safe SQL for this very statement follows it, a line each.
about(rule, fact, message, safe) := {
	"code": rule.custom.code,
	"msg": concat("", [message, circumstances(fact)]),
	"solution": concat("\n", array.concat([filled(rule.custom.solution, fact)], safe)),
	"at": {
		"file": object.get(fact, "file", ""),
		"line": object.get(fact, "line", 1),
		"table": object.get(fact, "table", ""),
		"column": object.get(fact, "column", ""),
		"statement": object.get(fact, "statement", ""),
		"statement_hash": object.get(fact, "statement_hash", ""),
	},
}

# METADATA
# title: Named
# description: >-
#   The finding with the name by which a waiver approves it: the hash of its statement. Where one
#   statement does the same to several tables or columns, which of them stands behind the hash, so
#   that an approval approves exactly one.
named(found) := object.union(found, {
	"about": name,
	"solution": concat("\n", array.concat([found.solution], approving(found.code, name))),
	"waivable": lib.may_waive(found.code),
}) if {
	name := name_of(found)
}

approving(code, name) := [sprintf("Or have exactly this approved: `invoke waive %s/%s --reason=... --expires=7d`", [code, shell(name)])] if {
	level(code) == "deny"
	lib.may_waive(code)
} else := []

# What a person copies into a shell does nothing there but name the finding.
shell(name) := name if {
	regex.match(`^[\w:./-]+$`, name)
} else := sprintf("'%s'", [replace(name, "'", `'\''`)])

name_of(found) := found.at.statement_hash if {
	count(done[found.code][found.at.statement_hash]) == 1
} else := concat("/", [found.at.statement_hash, thing(found)])

things[found.code][found.at.statement_hash] contains thing(found) if some found in finding

# All of it at once, as for `of`.
done := things

thing(found) := concat(".", [part | some part in [found.at.table, found.at.column]; part != ""])

# METADATA
# title: Circumstances
# description: Where the statement stands, when that is not plainly in the file.
circumstances(fact) := "" if {
	not fact.dynamic
	not fact.guessed
	not fact.in_do
} else := concat("", [said |
	some field, said in {
		"dynamic": " The SQL is put together while it runs.",
		"guessed": " The statement was not understood; this is what its words say.",
		"in_do": " It stands in a block or function that is run.",
	}
	object.get(fact, field, false) == true
])

# METADATA
# title: Filled
# description: A solution with the names of this fact in place of the words in braces.
filled(solution, fact) := strings.replace_n(
	{
		"{table}": object.get(fact, "table", "the table"),
		"{column}": object.get(fact, "column", "the column"),
		"{new_name}": object.get(fact, "new_name", "the new name"),
	},
	solution,
)
