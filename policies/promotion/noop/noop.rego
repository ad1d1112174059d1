package promotion

import data.lib

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
