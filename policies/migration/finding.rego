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
# title: Findings
# description: >-
#   What a rule (its rego.metadata.rule()) says of facts, by the fact. What it says of each is given as the
#   fact, the message and the safe SQL for this very statement: the solution of the METADATA is filled in,
#   and the safe SQL follows it, a line each. A finding is named by the hash of its statement, as long as
#   that does nothing else that the rule finds. There may be thousands, so a rule says all of it at once:
#   for OPA calling a function costs more than most of what is done for a finding.
findings(rule, said) := {} if {
	said == [] # as of most rules
} else := {fact: {
	"about": at.statement_hash,
	"at": at,
	"code": code,
	"msg": message,
	"solution": concat("\n", array.concat([solutions[index]], safe)),
	"waivable": waivable,
} |
	some index, [fact, message, safe] in with_besides(said)
	at := where_each[index]
} if {
	code := rule.custom.code
	waivable := code in excusable
	those := [each[0] | some each in said]
	solutions := filled(rule.custom.solution, those)
	where_each := statements(those)
}

# The statement of each and what it is about, with something for what is not known.
statements(those) := [{
	"file": object.get(fact, "file", ""),
	"line": object.get(fact, "line", 1),
	"table": object.get(fact, "table", ""),
	"column": object.get(fact, "column", ""),
	"statement": object.get(fact, "statement", ""),
	"statement_hash": object.get(fact, "statement_hash", ""),
} |
	some fact in those
]

excusable := {code | some code in lib.waivable_codes}

# There may be thousands of findings, so what is the same for all of a code is found out once for them,
# and they are grouped in the form in which OPA does it in one walk.
codes := {found.code | some found in finding}

groups := {code: group |
	some code in codes
	group := [found | some found in finding; found.code == code]
}

# METADATA
# title: Named
# description: >-
#   The findings of one code with the names by which a waiver approves them: the hash of the statement.
#   Where one statement does the same to several tables or columns, which of them stands behind the
#   hash, so that an approval approves exactly one.
named(code, group) := array.concat(
	approved_by_hash(code, [found | some found in group; not shared[found.about]]),
	[renamed(found, name_of(found, shared)) | some found in group; shared[found.about]],
) if {
	all_said(code, group)
	shared := shared_by_several(group)
	shared != set()
} else := approved_by_hash(code, group) if {
	all_said(code, group)
} else := [renamed(found, name_of(found, shared)) |
	some found in group
] if {
	shared := shared_by_several(group)
}

# Nearly all are named by the hash alone, and then nothing has to be found out for each.
approved_by_hash(code, group) := group if {
	not approvable(code)
} else := [object.union(found, {"solution": solution}) |
	some found in group
	solution := concat("", [found.solution, before, found.about, after])
] if {
	every_harmless([found.about | some found in group])
	[before, after] := split(approval(code, "NAME"), "NAME")
} else := [renamed(found, found.about) | some found in group]

# Every finding says already how it is named if its statement does nothing else.
all_said(code, group) if {
	waivable := lib.may_waive(code)
	said := [found |
		some found in group
		found.about == found.at.statement_hash
		found.waivable == waivable
	]
	count(said) == count(group)
}

renamed(found, name) := object.union(found, {
	"about": name,
	"solution": concat("", [found.solution, approval(found.code, name)]),
	"waivable": lib.may_waive(found.code),
})

approval(code, name) := sprintf("\nOr have exactly this approved: `invoke waive %s/%s --reason=... --expires=7d`", [code, shell(name)]) if {
	approvable(code)
} else := ""

# Outside of any service nobody can approve anything.
approvable(code) if {
	input.service != ""
	lib.may_waive(code)
	level(code) == "deny"
}

# What a person copies into a shell does nothing there but name the finding.
shell(name) := name if {
	every_harmless([name])
} else := sprintf("'%s'", [replace(name, "'", `'\''`)])

every_harmless(names) if {
	not "" in names
	trim(concat("", names), "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:./-") == ""
}

name_of(found, shared) := concat("/", [found.at.statement_hash, thing(found)]) if {
	shared[found.at.statement_hash]
} else := object.get(found, ["at", "statement_hash"], "")

# Hashes of statements that do one thing to several. Things of one hash are neighbours, once they are
# sorted; of a hash that is there once there is nothing to be looked at.
shared_by_several(group) := set() if {
	count({found.at.statement_hash | some found in group}) == count(group)
} else := {hash |
	repeated := neighbours(sort([found.at.statement_hash | some found in group]))
	things := sort({[found.at.statement_hash, thing(found)] | some found in group; found.at.statement_hash in repeated})
	some hash in neighbours([hash | some [hash, _] in things])
}

neighbours(sorted) := {each | some index, each in sorted; sorted[index + 1] == each}

thing(found) := found.at.table if {
	found.at.column == ""
} else := concat(".", [found.at.table, found.at.column])

with_besides(said) := said if {
	besides == {}
} else := [[fact, concat("", [message, object.get(besides, fact, "")]), safe] |
	some [fact, message, safe] in said
]

# What is to be added to a message, by the fact that it is about. Of most there is nothing.
besides := {fact: concat("", [circumstances(fact), unproven(fact)]) |
	some field in ["dynamic", "guessed", "in_do", "last_reader"]
	some index
	input.facts[index][field]
	fact := input.facts[index]
}

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
		"in_do": run_by(fact),
	}
	object.get(fact, field, false) == true
])

run_by(fact) := sprintf(" It happens in %s, which this statement runs and %s has made.", [fact.within, fact.made_in]) if {
	object.get(fact, "within", "") != ""
	object.get(fact, "made_in", "") != ""
} else := sprintf(" It happens in %s, which this statement runs.", [fact.within]) if {
	object.get(fact, "within", "") != ""
} else := " It stands in a block or function that is run."

# Why a contracting statement is not let through at a promotion, where that could not be found out.
unproven(fact) := sprintf(" That nobody uses it any more is not proven: %v.", [fact.last_reader.problem]) if {
	fact.last_reader.known != true
	fact.last_reader.problem != ""
} else := ""

# METADATA
# title: Filled
# description: A solution for each of these facts, with its names in place of the words in braces.
filled(solution, those) := [solution | some _ in those] if {
	not contains(solution, "{")
} else := [strings.replace_n(
	{
		"{table}": object.get(fact, "table", "the table"),
		"{column}": object.get(fact, "column", "the column"),
		"{new_name}": object.get(fact, "new_name", "the new name"),
	},
	solution,
) |
	some fact in those
]
