package image

import data.lib

# METADATA
# title: It is known where the image comes from
# description: >-
#   A provenance statement about exactly this digest is signed with a trusted key. It has to be there
#   for the environments of data.image.provenance.required ("all", or a list of names); where one is
#   there, it holds everywhere: one that is not verified, is about another image, or contradicts
#   another is refused.
# custom:
#   code: image.provenance
#   solution: >-
#     Make the release with `invoke release`, which attests where it comes from; `invoke build` and
#     `invoke sign` by themselves do not.
deny contains found if {
	some problem in provenance_problems
	found := lib.finding(rego.metadata.rule(), problem)
}

provenance_problems contains message if {
	provenance_asked
	not lib.present("provenance")
	message := sprintf("There is no provenance of %s.", [lib.value(["image", "digest"])])
}

provenance_problems contains message if {
	is_object(input.evidence.provenance)
	not lib.about_image("provenance")
	message := sprintf("The provenance is about %s, not about %s.", [
		lib.value(["evidence", "provenance", "subject"]),
		lib.value(["image", "digest"]),
	])
}

provenance_problems contains message if {
	is_object(input.evidence.provenance)
	lib.status("provenance") != "ok"
	message := sprintf("The provenance is not usable: its status is %s (%s).", [
		lib.status("provenance"),
		lib.said("provenance"),
	])
}

provenance_asked if data.image.provenance.required == "all"

provenance_asked if lib.covers(data.image.provenance.required, input.target)

# METADATA
# title: What provenance has to say is said in a form that is understood
# description: >-
#   data.image.provenance is an object of "required" ("all", or a list of environments, perhaps empty)
#   and the lists "builders", "repositories" and "branches". In any other form nobody knows what it
#   allows, so it allows nothing.
# custom:
#   code: image.provenance
#   solution: >-
#     Write data.image.provenance as docs/policies.md shows it, for example {"required": "all",
#     "builders": [], "repositories": [], "branches": ["refs/remotes/origin/main"]}.
deny contains found if {
	not provenance_understood
	found := lib.finding(rego.metadata.rule(), "The policy's setting image.provenance is not understood.")
}

provenance_understood if {
	setting := data.image.provenance
	is_object(setting)
	object.keys(setting) == {"branches", "builders", "repositories", "required"}
	everywhere_or_listed(setting.required)
	lib.texts(setting.branches)
	lib.texts(setting.builders)
	lib.texts(setting.repositories)
}

everywhere_or_listed("all")

everywhere_or_listed(setting) if lib.texts(setting)

# What one of the lists asks for, a passing provenance has to say.
provenance_says(key, fact) if {
	lib.passed("provenance")
	input.evidence.provenance.facts[fact] in data.image.provenance[key]
}
