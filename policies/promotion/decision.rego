# METADATA
# title: Promotion
# description: >-
#   Whether one image may go from one environment to the next: along which path, by whom, with whose
#   consent, and after which checks. What must be known about the image itself is in package image.
# schemas:
#   - input: schema.promotion.input
package promotion

# METADATA
# title: Decision of the gate promotion
# description: Everything that denies and everything that warns, the image's own included.
# entrypoint: true
decision := {
	"deny": (deny | data.image.deny),
	"warn": (warn | data.image.warn),
	"waivers": data.waiver.judged,
}

# The row of data.promotion.paths (or of the service's own) for this promotion. A row says everything;
# what it leaves out is demanded, so that a short row is a strict one. Only a time to soak is not.
step := row if {
	row := service_paths[input.source][input.target]
	is_object(row)
}
