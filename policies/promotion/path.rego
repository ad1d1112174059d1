package promotion

import data.lib

# METADATA
# title: The path is allowed
# description: >-
#   Images go along data.promotion.paths and no other way: from the build to dev, staging, canary and
#   production, one after the other.
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

known(place) if input[place] in input.environments

known("source") if input.source == "build"

ways := sprintf("from %s an image goes to %s", [
	lib.value(["source"]),
	concat(" or ", [name | some name, row in data.promotion.paths[input.source]; is_object(row)]),
]) if {
	count(data.promotion.paths[input.source]) > 0
} else := sprintf("nothing goes on from %s", [lib.value(["source"])])

# METADATA
# title: The source still holds this image
# description: >-
#   What is promoted is what the source environment holds at this moment (for a build: what the
#   ledger recorded), not what it held when somebody looked.
# custom:
#   code: promotion.source
#   solution: See what {source} holds now with `invoke status`, and promote that.
deny contains found if {
	not source_holds
	message := sprintf("%s holds %s now, not %s.", [
		lib.value(["source"]),
		held("source_holds"),
		lib.value(["image", "digest"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

source_holds if input.source_holds == input.image.digest

held(place) := input[place] if {
	is_string(input[place])
} else := "no image"

# METADATA
# title: There is something to do
# description: The target holds this image already.
# custom:
#   code: promotion.noop
#   solution: The tag stays as it is; the instance is started again if it does not run.
warn contains found if {
	input.target_holds == input.image.digest
	message := sprintf("%s holds %s already.", [lib.value(["target"]), input.image.digest])
	found := lib.finding(rego.metadata.rule(), message)
}
