package promotion

import data.lib

# METADATA
# title: The path is allowed
# description: >-
#   Images go along data.promotion.paths and no other way: from the build to dev, staging, canary and
#   production, one after the other. A service of another order has paths of its own in
#   data.promotion.services.
# custom:
#   code: promotion.path
#   solution: Promote along the path, one environment at a time; `invoke status` shows what is where.
deny contains found if {
	not step
	message := sprintf("There is no path from %s to %s; %s.", [
		lib.value(["source"]),
		lib.value(["target"]),
		ways,
	])
	found := lib.finding(rego.metadata.rule(), message)
}

# METADATA
# title: The environments exist
# description: Both ends of the promotion are environments of this service's configuration.
# custom:
#   code: promotion.path
#   solution: Name an environment of sluiceway.toml; `invoke status` lists them.
deny contains found if {
	some place in ["source", "target"]
	not known(place)
	message := sprintf("There is no environment %s; this service has %s.", [
		lib.value([place]),
		concat(", ", object.get(input, "environments", [])),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

# METADATA
# title: What the path asks for is said in a form that is understood
# description: >-
#   roles and evidence of a path's row are lists of texts, and the row has no key that nobody reads.
#   Of "smoke" for ["smoke"], or soak_hour for soak_hours, nobody would be asked for what was meant.
# custom:
#   code: promotion.path
#   solution: >-
#     Write roles and evidence as lists of texts, and every key as docs/policies.md has it, in
#     data.promotion.paths.{source}.{target}, or in the service's own paths.
deny contains found if {
	some message in rows_not_understood
	found := lib.finding(rego.metadata.rule(), message)
}

rows_not_understood contains message if {
	row := step
	some key in ["evidence", "roles"]
	not lib.texts(object.get(row, key, []))
	message := sprintf("The %s from %s to %s are %v, which is not a list of texts.", [
		key,
		lib.value(["source"]),
		lib.value(["target"]),
		row[key],
	])
}

rows_not_understood contains message if {
	some key in (object.keys(step) - row_keys)
	message := sprintf("The path from %s to %s says %s, which is none of %s.", [
		lib.value(["source"]),
		lib.value(["target"]),
		key,
		concat(", ", row_keys),
	])
}

row_keys := {
	"approvals",
	"approvers",
	"canary",
	"evidence",
	"exclude_committers",
	"required_roles",
	"reviews",
	"roles",
	"soak_hours",
}

known(place) if input[place] in input.environments

known("source") if input.source == "build"

ways := sprintf("from %s an image goes to %s", [
	lib.value(["source"]),
	concat(" or ", [name | some name, row in service_paths[input.source]; is_object(row)]),
]) if {
	count(service_paths[input.source]) > 0
} else := sprintf("nothing goes on from %s", [lib.value(["source"])])
