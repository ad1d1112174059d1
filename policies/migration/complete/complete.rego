package migration

import data.lib

# METADATA
# title: The facts are there and whole
# description: >-
#   What nobody counted, or counted otherwise than it is here, may lack the very statement that would
#   have been refused. Every fact has a kind that the rules know, a file, a line and the hash of its
#   statement, and each is where the input says that those of its kind are.
# custom:
#   code: migration.incomplete
#   solution: Repeat the check (`invoke migrations.check PATH`); if it persists, report it.
deny contains found if {
	some what in lacking
	found := lib.finding(rego.metadata.rule(), sprintf("The facts about the migrations are not whole: %s.", [what]))
}

lacking contains sprintf("the number of %s is missing", [name]) if {
	some name in ["files", "statements"]
	not counted(name)
}

lacking contains "there are none" if not listed

lacking contains "there are others than were counted" if not as_counted

lacking contains sprintf("nobody knows the kind %v", [kind]) if {
	some kind, _ in input.kinds
	not kind in kinds
}

lacking contains "some have no file, no line or no hash of a statement" if not placed

counted(name) if is_number(input[name])

listed if is_array(input.facts)

# Each fact stands in one list, that of its kind, and no list has anything else.
as_counted if {
	found := {place |
		some kind
		some place in input.kinds[kind]
		input.facts[place].kind == kind
	}
	count(found) == count(input.facts)
	sum([count(listed_here) | some listed_here in input.kinds; is_array(listed_here)]) == count(input.facts)
}

placed if count(input.facts) == 0

placed if {
	texts([file | some index; file := input.facts[index].file])
	texts([hash | some index; hash := input.facts[index].statement_hash])
	lines := [line | some index; line := input.facts[index].line]
	count(lines) == count(input.facts)
	is_number(min(lines))
	is_number(max(lines))
}

# One of each fact, and none is empty. Values of different types are ordered by their type, so what is
# between two texts is a text, and what is between two numbers is one.
texts(values) if {
	count(values) == count(input.facts)
	is_string(min(values))
	is_string(max(values))
	min(values) != ""
}

# METADATA
# title: Kinds
# description: Every kind of fact that there is, so that one of another name is not passed over.
kinds := {
	"add_column", "add_constraint", "alter_domain", "alter_type", "attach_partition", "begin", "call",
	"change_data", "change_type", "commit", "create_database", "create_domain", "create_function",
	"create_index", "create_schema", "create_sequence", "create_table", "create_trigger", "create_type",
	"create_view", "detach_partition", "do", "drop_column", "drop_constraint", "drop_database",
	"drop_default", "drop_function", "drop_index", "drop_not_null", "drop_schema", "drop_sequence",
	"drop_table", "drop_trigger", "drop_type", "drop_view", "execute", "extension", "lock", "other",
	"refresh_view", "reindex", "rename_column", "rename_constraint", "rename_schema", "rename_table",
	"rename_view", "rewrite_table", "rollback", "set", "set_default", "set_not_null", "set_schema",
	"truncate", "unparsable", "validate_constraint",
}
