package migration

# METADATA
# title: SQL name
# description: >-
#   A dotted name as it is written in SQL of this dialect: quoted where it has to be, so that a line
#   that is copied does what it says whatever the name holds. Where there is none, what it would name
#   stands in brackets.
sql(name, _) := name if {
	regex.match(`^[a-z_][a-z0-9_]*$`, name) # as most are: no part has to be looked at by itself
	not name in reserved_here
} else := name if {
	regex.match(`^[a-z_][a-z0-9_.]*$`, name)
	not reserved_in(name)
} else := concat(".", [quoted(part) | some part in split(name, ".")]) if {
	name != ""
}

sql("", what) := sprintf("<%s>", [what])

# METADATA
# title: Tables in SQL
# description: >-
#   Each table and other object that a fact names, as sql writes it. It is found out once for all rules:
#   there may be thousands of facts, and for OPA calling a function costs more than most of what is done
#   for a finding.
tables_in_sql := object.union(
	{name: name | some name in ordinary(table_names)},
	{name: written |
		some name in (table_names - ordinary(table_names))
		name != ""
		written := sql(name, "table")
	},
)

# METADATA
# title: Columns in SQL
# description: Each column that a fact names, as quoted writes it.
columns_in_sql := object.union(
	{name: name | some name in ordinary(column_names)},
	{name: written |
		some name in (column_names - ordinary(column_names))
		name != ""
		written := quoted(name)
	},
)

table_names := named_in("table") | named_in("object")

column_names := named_in("column") | named_in("new_name")

named_in(field) := {name |
	some index
	name := input.facts[index][field]
}

# Names that are written as they are.
ordinary(names) := {name |
	some name in names
	regex.match(`^[a-z_][a-z0-9_]*$`, name)
} - reserved_here

# METADATA
# title: Quoted
# description: A name in which a dot is a letter like any other, as it is written in SQL of this dialect.
quoted(name) := name if {
	regex.match(`^[a-z_][a-z0-9_]*$`, name)
	not name in reserved_here
} else := sprintf("`%s`", [replace(name, "`", "``")]) if {
	mysql
} else := sprintf("[%s]", [replace(name, "]", "]]")]) if {
	tsql
} else := sprintf("\"%s\"", [replace(name, `"`, `""`)])

# A column called "order" is not rare, and no statement names it without quotes.
reserved_in(name) if {
	some part in split(name, ".")
	part in reserved_here
}

reserved_here := reserved if {
	postgres
} else := reserved | reserved_elsewhere

reserved := {"all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "binary", "both", "case", "cast", "check", "collate", "collation", "column", "concurrently", "constraint", "create", "cross", "current_catalog", "current_date", "current_role", "current_schema", "current_time", "current_timestamp", "current_user", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "freeze", "from", "full", "grant", "group", "having", "ilike", "in", "initially", "inner", "intersect", "into", "is", "isnull", "join", "lateral", "leading", "left", "like", "limit", "localtime", "localtimestamp", "natural", "not", "notnull", "null", "offset", "on", "only", "or", "order", "outer", "overlaps", "placing", "primary", "references", "returning", "right", "select", "session_user", "similar", "some", "symmetric", "system_user", "table", "tablesample", "then", "to", "trailing", "true", "union", "unique", "user", "using", "variadic", "verbose", "when", "where", "window", "with"}

reserved_elsewhere := {"add", "alter", "before", "between", "by", "call", "change", "condition", "database", "databases", "delete", "describe", "drop", "exists", "explain", "groups", "if", "ignore", "index", "insert", "interval", "key", "keys", "kill", "leave", "lock", "loop", "match", "mod", "option", "out", "range", "rank", "read", "rename", "repeat", "replace", "row", "rows", "schema", "set", "show", "system", "trigger", "update", "usage", "use", "values", "write"}

# METADATA
# title: Name of a constraint
# description: A name for a constraint on a column, made of the last part of its table.
constraint_name(fact, end) := concat("_", [fact.table, fact.column, end]) if {
	tables_in_sql[fact.table] == fact.table # as most are: neither in a schema nor in quotes
	columns_in_sql[fact.column] == fact.column
	not contains(fact.table, ".")
} else := quoted(concat("_", array.concat(
	[part | some part in [table, object.get(fact, "column", "")]; part != ""],
	[end],
))) if {
	parts := split(object.get(fact, "table", ""), ".")
	table := parts[count(parts) - 1]
}
