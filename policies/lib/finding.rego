# METADATA
# title: Findings
# description: >-
#   How a rule says what it found. Code and solution stand in the METADATA of the rule itself, so
#   that documentation and refusals never differ.
package lib

# METADATA
# title: Finding
# description: >-
#   The finding of a rule (its rego.metadata.rule()) with a message. Words in braces in the
#   solution are filled in from the input.
finding(rule, message) := {
	"msg": message,
	"code": code,
	"solution": strings.replace_n(words, rule.custom.solution),
	"waivable": code in waivable_codes,
} if {
	code := rule.custom.code
}

# METADATA
# title: Finding about one thing
# description: >-
#   As finding, about one named thing, which a waiver may name behind a slash; the solution may name
#   it as well, as {about}.
finding_about(rule, message, about) := object.union(found, {
	"about": about,
	"solution": replace(found.solution, "{about}", sprintf("%v", [about])),
}) if {
	found := finding(rule, message)
}

# METADATA
# title: May be waived
# description: Only codes that data.lib.waivable lists may be waived. A list that is not there has none.
may_waive(code) := code in waivable_codes

default waivable_codes := []

waivable_codes := data.lib.waivable if is_array(data.lib.waivable)

# What stands in a solution's place of each word, one for all findings of a decision: OPA remembers the
# value of a rule.
words := {
	"{digest}": value(["image", "digest"]),
	"{environment}": value(["environment"]),
	"{repository}": value(["image", "repository"]),
	"{service}": value(["service"]),
	"{source}": value(["source"]),
	"{target}": value(["target"]),
}

# METADATA
# title: Value
# description: >-
#   A value of the input as text for a message. A message must never be undefined, because then the
#   rule that wanted to say it would say nothing.
value(path) := sprintf("%v", [object.get(input, path, "(missing)")])
