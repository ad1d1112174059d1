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
	"msg": concat("", [message, beside(fact)]),
	"solution": concat("\n", array.concat([filled(rule.custom.solution, fact)], safe)),
	"at": object.union(
		{"file": "", "line": 1, "table": "", "column": "", "statement": "", "statement_hash": ""},
		object.filter(fact, {"file", "line", "table", "column", "statement", "statement_hash"}),
	),
}

# METADATA
# title: Named
# description: >-
#   The finding with the name by which a waiver approves it: the hash of its statement. Where one
#   statement does the same to several tables or columns, which of them stands behind the hash, so
#   that an approval approves exactly one.
named(found) := object.union(found, {
	"about": name,
	"solution": approvable(found, name),
	"waivable": found.code in excusable,
}) if {
	name := name_of(found)
}

approvable(found, name) := concat("", [found.solution, replace(text, "NAME", shell(name))]) if {
	text := waiving[found.code]
} else := found.solution

# What is the same for every finding of a code is found out once, since there may be thousands.
codes := {found.code | some found in finding}

rated := {code: level(code) | some code in codes}

excusable := {code | some code in codes; lib.may_waive(code)}

# Outside of any service nobody can approve anything.
waiving := {code: text |
	input.service != ""
	some code in excusable
	rated[code] == "deny"
	text := sprintf("\nOr have exactly this approved: `invoke waive %s/NAME --reason=... --expires=7d`", [code])
}

# What a person copies into a shell does nothing there but name the finding.
shell(name) := name if {
	name != ""
	trim(name, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:./-") == ""
} else := sprintf("'%s'", [replace(name, "'", `'\''`)])

name_of(found) := found.at.statement_hash if {
	each_alone
} else := concat("/", [found.at.statement_hash, thing(found)]) if {
	[found.code, found.at.statement_hash] in shared
} else := found.at.statement_hash

# No statement does two things that one code is about, as is the rule.
each_alone if count({[found.code, found.at.statement_hash] | some found in finding}) == count(finding)

# What one statement does to several things by one code: neighbours, once they are sorted.
shared contains [code, hash] if {
	some index, [code, hash, _] in things
	next := things[index + 1]
	next[0] == code
	next[1] == hash
}

things := sort({[found.code, found.at.statement_hash, thing(found)] | some found in finding})

thing(found) := found.at.table if {
	found.at.column == ""
} else := concat(".", [found.at.table, found.at.column])

# Nothing to be added, as is the rule, is found out at once.
beside(fact) := "" if {
	object.filter(fact, {"dynamic", "guessed", "in_do", "last_reader"}) == {}
} else := concat("", [circumstances(fact), unproven(fact)])

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

# Why a contracting statement is not let through at a promotion, where that could not be found out.
unproven(fact) := sprintf(" That nobody uses it any more is not proven: %v.", [fact.last_reader.problem]) if {
	fact.last_reader.known != true
	fact.last_reader.problem != ""
} else := ""

# METADATA
# title: Filled
# description: A solution with the names of this fact in place of the words in braces.
filled(solution, fact) := solution if {
	not contains(solution, "{")
} else := strings.replace_n(
	{
		"{table}": object.get(fact, "table", "the table"),
		"{column}": object.get(fact, "column", "the column"),
		"{new_name}": object.get(fact, "new_name", "the new name"),
	},
	solution,
)
