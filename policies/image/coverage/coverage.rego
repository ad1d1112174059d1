package image

import data.lib

# METADATA
# title: Every package is judged
# description: >-
#   A package that no completed scan judged is not a good one. data.image.coverage says whether that
#   warns or denies: "uncovered" for every ecosystem, "ecosystems" for one of them, "tolerated" for
#   packages that somebody looks after by hand (a package URL, with or without its version).
# custom:
#   code: image.uncovered
#   solution: >-
#     Add a scanner or a database that knows them (`invoke scan` lists them), or list what is looked
#     after by hand in data.image.coverage.tolerated.
deny contains found if {
	input.evidence.scan.facts.uncovered # OPA's index then passes over the rule where there is none
	some ecosystem, packages in unjudged
	coverage_level(ecosystem) == "deny"
	message := unjudged_said(ecosystem, packages)
	about := lib.finding_about(rego.metadata.rule(), message, ecosystem)
	found := object.union(about, {"packages": packages})
}

# METADATA
# title: Packages that nobody judged are named
# description: As above, where data.image.coverage says that it is only to be known.
# custom:
#   code: image.uncovered
#   solution: >-
#     Add a scanner or a database that knows them (`invoke scan` lists them), or list what is looked
#     after by hand in data.image.coverage.tolerated.
warn contains found if {
	input.evidence.scan.facts.uncovered
	some ecosystem, packages in unjudged
	coverage_level(ecosystem) == "warn"
	message := unjudged_said(ecosystem, packages)
	about := lib.finding_about(rego.metadata.rule(), message, ecosystem)
	found := object.union(about, {"packages": packages})
}

unjudged_said(ecosystem, packages) := sprintf("Packages of the ecosystem %s that no scan judged: %d, for example %v.", [
	ecosystem,
	count(packages),
	min(packages),
])

# OPA groups what is in this form in one walk. A rule unjudged[ecosystem] contains component would
# compare each with all before it.
unjudged := {ecosystem: packages |
	some ecosystem in {row[0] | some row in unjudged_rows}
	packages := {row[1] | some row in unjudged_rows; row[0] == ecosystem}
}

# pkg:npm/... is of the ecosystem npm; a name without package URL is of an unknown one.
unjudged_rows := array.concat(
	[[split(trim_prefix(lower(name), "pkg:"), "/")[0], name] | some name in unjudged_urls],
	[["unknown", name] | some name in (unjudged_names - unjudged_urls)],
)

unjudged_urls := {component | some component in unjudged_names; startswith(lower(component), "pkg:")}

# Sets, and no function that each is asked about: there may be thousands.
unjudged_names := {component | some component in input.evidence.scan.facts.uncovered} - looked_after

looked_after := {component |
	some listed in coverage_tolerated
	some component in input.evidence.scan.facts.uncovered
	stands_for(listed, component)
}

coverage_tolerated := data.image.coverage.tolerated if coverage_understood

stands_for(listed, component) if listed == component

stands_for(listed, component) if {
	some end in ["@", "?"]
	startswith(component, concat("", [listed, end]))
}

# What is said of one ecosystem counts before what is said of all. Where nothing that is understood
# is said, it denies.
coverage_level(ecosystem) := data.image.coverage.ecosystems[ecosystem] if {
	coverage_understood
} else := data.image.coverage.uncovered if {
	coverage_understood
} else := "deny"

coverage_understood if {
	setting := data.image.coverage
	is_object(setting)
	object.keys(setting) == {"ecosystems", "gaps", "tolerated", "uncovered"}
	setting.uncovered in {"deny", "warn"}
	setting.gaps in {"deny", "warn"}
	is_object(setting.ecosystems)
	every level in setting.ecosystems {
		level in {"deny", "warn"}
	}
	is_array(setting.tolerated)
	every listed in setting.tolerated {
		is_string(listed)
		listed != ""
	}
}

# METADATA
# title: What may be left unjudged is said in a form that is understood
# description: >-
#   data.image.coverage is an object of "uncovered", "ecosystems", "gaps" (each level deny or warn)
#   and "tolerated" (a list of texts). In any other form nobody knows what it allows, so it allows
#   nothing.
# custom:
#   code: image.coverage
#   solution: >-
#     Write data.image.coverage as docs/policies.md shows it, for example {"uncovered": "warn",
#     "ecosystems": {"npm": "deny"}, "gaps": "warn", "tolerated": []}.
deny contains found if {
	not coverage_understood
	found := lib.finding(rego.metadata.rule(), "The policy's setting image.coverage is not understood.")
}
