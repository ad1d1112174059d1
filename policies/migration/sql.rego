package migration

# METADATA
# title: SQL name
# description: >-
#   A dotted name as it is written in SQL of this dialect: quoted where it has to be, so that a line
#   that is copied does what it says whatever the name holds.
sql(fact, field, otherwise) := sql_name(fact[field]) if {
	fact[field] != ""
} else := sprintf("<%s>", [otherwise])

sql_name(name) := name if {
	regex.match(`^[a-z_][a-z0-9_.]*$`, name)
} else := concat(".", [quoted(part) | some part in split(name, ".")])

# METADATA
# title: SQL name without a dot
# description: The name of a column, in which a dot is a letter like any other.
plain_sql(fact, field, otherwise) := quoted(fact[field]) if {
	fact[field] != ""
} else := sprintf("<%s>", [otherwise])

quoted(name) := name if {
	regex.match(`^[a-z_][a-z0-9_]*$`, name)
} else := sprintf("`%s`", [replace(name, "`", "``")]) if {
	mysql
} else := sprintf("[%s]", [replace(name, "]", "]]")]) if {
	tsql
} else := sprintf("\"%s\"", [replace(name, `"`, `""`)])

# METADATA
# title: Name of a constraint
# description: A name for a constraint on a column, made of the last part of its table.
constraint_name(fact, end) := quoted(concat("_", array.concat(
	[part | some part in [table, object.get(fact, "column", "")]; part != ""],
	[end],
))) if {
	parts := split(object.get(fact, "table", ""), ".")
	table := parts[count(parts) - 1]
}

type_of(fact) := object.get(fact, "type", "<type>")
