package promotion

import data.lib

# METADATA
# title: The image has soaked in the source
# description: >-
#   Where the path's row says soak_hours, the source has held exactly this image for so long without
#   interruption, as the ledger has it. A row without soak_hours asks for no time; one whose number
#   is none, or an arrival that nobody recorded, is refused.
# custom:
#   code: promotion.soak
#   solution: Leave it in {source} until then and promote again; `invoke history` shows when it came.
deny contains found if {
	soak_hours != 0
	not soaked
	message := sprintf("%s takes %v hours of an image before it goes to %s; %s.", [
		lib.value(["source"]),
		soak_hours,
		lib.value(["target"]),
		soak_lacks,
	])
	found := lib.finding(rego.metadata.rule(), message)
}

soak_hours := object.get(step, "soak_hours", 0)

soaked if soak_left <= 0

# Nanoseconds; undefined when it cannot be told.
soak_left := (soak_hours * hour) - (time.parse_rfc3339_ns(input.now) - time.parse_rfc3339_ns(input.source_since)) if {
	lib.at_least(soak_hours, 0)
	is_string(input.source_since)
}

soak_lacks := sprintf("it came at %s, so %s more", [input.source_since, soak_wait]) if {
	soak_left
} else := "since when it is there is not known" if {
	lib.at_least(soak_hours, 0)
} else := "that is not a number of hours"

soak_wait := sprintf("%d h %d min", [floor(minutes / 60), minutes % 60]) if {
	minutes := ceil(soak_left / 60000000000)
}
