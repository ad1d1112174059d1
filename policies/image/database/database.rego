package image

import data.lib

# METADATA
# title: The advisories are recent
# description: >-
#   The newest advisory of every scanner's database is not older than
#   data.image.database_max_age_days. The default is ten years, that is: off. A small database of
#   one's own may rightly be quiet for long; whoever mirrors a public one should set a few days. A
#   database without a date is refused, unless its scanner is listed in
#   data.image.undated_databases (one that asks a service).
# custom:
#   code: image.database-stale
#   solution: >-
#     Update the advisory database (see `invoke doctor`) and run `invoke scan` again; a scanner that
#     asks a service, whose advisories have no date, may be listed in data.image.undated_databases.
deny contains found if {
	input.evidence.scan.status == "ok"
	some scanner in scanners
	not database_recent(scanner)
	message := sprintf("The newest advisory of %v is of %v; at %s that is not within the last %v days.", [
		object.get(scanner, "tool", "a scanner"),
		object.get(scanner, ["database", "newest"], "(missing)"),
		lib.value(["now"]),
		database_days,
	])
	found := lib.finding_about(rego.metadata.rule(), message, object.get(scanner, "tool", ""))
}

database_recent(scanner) if {
	scanner.database.newest == null
	scanner.tool in data.image.undated_databases
}

database_recent(scanner) if {
	is_number(database_days)
	is_string(scanner.database.newest)
	lib.within(scanner.database.newest, database_days * 24)
}

default database_days := "(not set)"

database_days := data.image.database_max_age_days if is_number(data.image.database_max_age_days)
