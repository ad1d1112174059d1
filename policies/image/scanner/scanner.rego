package image

import data.lib

# METADATA
# title: Every scanner that is asked for has answered
# description: >-
#   Each scanner that data.image.required_scanners names, by its tool or its plugin, has completed a
#   scan of this digest. What another scanner says does not stand in for it.
# custom:
#   code: image.scanner-missing
#   solution: >-
#     Choose the scanner in [stages] scan, see to its database (`invoke doctor`) and scan
#     {repository}@{digest} again by `invoke scan`.
deny contains found if {
	some name in asked_for
	not completed(name)
	message := sprintf("The scanner %v, which is asked for, has not completed a scan of %s.", [
		name,
		lib.value(["image", "digest"]),
	])
	found := lib.finding_about(rego.metadata.rule(), message, sprintf("%v", [name]))
}

# A setting in another form asks for something that nobody is.
asked_for := data.image.required_scanners if {
	is_array(data.image.required_scanners)
} else := ["(data.image.required_scanners is not a list)"]

completed(name) if {
	some scanner in scanners
	name in {scanner.tool, scanner.plugin}
	scanner.status == "ok"
}
