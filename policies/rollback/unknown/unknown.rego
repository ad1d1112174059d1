package rollback

import data.lib

# METADATA
# title: The image has served here
# description: Going back is to what has been there; anything else is a promotion.
# custom:
#   code: rollback.unknown
#   solution: Choose a digest that has served {environment}; `invoke history` lists them.
deny contains found if {
	not served
	message := sprintf("%s has not served %s before.", [
		lib.value(["image", "digest"]),
		lib.value(["environment"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

served if input.deployed_before == true
