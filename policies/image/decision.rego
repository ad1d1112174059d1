# METADATA
# title: Image
# description: >-
#   What must be known about an image before it goes anywhere: who signed it, what is inside, and
#   what is known to be wrong with that.
# schemas:
#   - input: schema.image.input
package image

# METADATA
# title: Decision of the gate image
# description: Everything that denies and everything that warns about this image.
# entrypoint: true
decision := {"deny": deny, "warn": warn, "waivers": data.waiver.judged}
