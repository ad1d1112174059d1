package promotion

import data.lib

# METADATA
# title: A service's own settings are understood
# description: >-
#   data.promotion.services.<service> is an object that may hold "paths", which then stand in the
#   place of data.promotion.paths for that service; null leaves it no path at all. In any other form
#   nobody knows what the service was meant to have, so it has nothing.
# custom:
#   code: promotion.services
#   solution: >-
#     Write data.promotion.services.{service} as docs/policies.md shows it, for example {"paths":
#     {"build": {"production": ...}}}, or take it out.
deny contains found if {
	not service_understood
	message := sprintf("The policy's setting promotion.services is not understood for %s.", [
		lib.value(["service"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

service_understood if {
	is_object(data.promotion.services)
	not own_settings
}

service_understood if {
	is_object(own_settings.here)
	object.keys(own_settings.here) == {"paths"}
	is_object_or_null(own_settings.here.paths)
}

# Wrapped, so that null and false are there as well.
own_settings := {"here": data.promotion.services[input.service]}

is_object_or_null(value) if is_object(value)

is_object_or_null(null)

# The paths of this service: its own, or those of all.
service_paths := own.paths if {
	own := own_settings.here
	service_understood
} else := data.promotion.paths if {
	service_understood
}
