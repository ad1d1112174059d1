# METADATA
# title: Migration
# description: >-
#   What the SQL of database migrations may do while the old release still serves. The facts come
#   from the grammar of the database; here it is only said which of them are dangerous, and what the
#   safe way is. How much each rule weighs is data (data.migration.levels).
# schemas:
#   - input: schema.migration.input
package migration

# METADATA
# title: Decision of the gate migration
# description: >-
#   Everything that denies and everything that warns about these migrations, and the advice, which
#   does neither.
# entrypoint: true
decision := {"deny": deny, "warn": warn, "advice": advice, "waivers": data.waiver.judged}

# METADATA
# title: Findings that deny
# description: What the rules `finding` found whose level is deny.
# custom:
#   collects: finding
deny contains found if {
	some code, group in groups
	level(code) == "deny"
	some found in named(code, group)
}

# METADATA
# title: Findings without a code
# description: >-
#   What a rule found and does not name has no level, and is no finding that anybody understands: it is
#   handed on as it is, and the gate refuses what it cannot read.
# custom:
#   collects: finding
deny contains found if {
	some found in finding
	not found.code
}

# METADATA
# title: Findings that warn
# description: What the rules `finding` found whose level is warn.
# custom:
#   collects: finding
warn contains found if {
	some code, group in groups
	level(code) == "warn"
	some found in named(code, group)
}

# METADATA
# title: Advice
# description: What the rules `finding` found whose level is advice; it decides nothing.
advice contains found if {
	some code, group in groups
	level(code) == "advice"
	some found in named(code, group)
}
