package rollback

import data.lib

# METADATA
# title: There is something to do
# description: The environment holds this image already.
# custom:
#   code: rollback.noop
#   solution: The tag stays as it is; the instance is started again if it does not run.
warn contains found if {
	input.current == input.image.digest
	message := sprintf("%s holds %s already.", [lib.value(["environment"]), input.image.digest])
	found := lib.finding(rego.metadata.rule(), message)
}
