# METADATA
# title: Rollback
# description: >-
#   Whether an environment may go back to an image. Going back must be quick, so little is asked:
#   the image is the one that was signed, it has served here before, and who acts is known.
# schemas:
#   - input: schema.rollback.input
package rollback

# METADATA
# title: Decision of the gate rollback
# description: Everything that denies and everything that warns about going back.
# entrypoint: true
decision := {"deny": (deny | signature), "warn": warn}
