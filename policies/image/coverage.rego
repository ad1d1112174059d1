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

unjudged[ecosystem_of(component)] contains component if {
	some component in lib.facts("scan").uncovered
	not looked_after(component)
}

# pkg:npm/... is of the ecosystem npm; a name without package URL is of an unknown one.
ecosystem_of(component) := split(trim_prefix(lower(component), "pkg:"), "/")[0] if {
	startswith(lower(component), "pkg:")
} else := "unknown"

looked_after(component) if {
	coverage_understood
	some listed in data.image.coverage.tolerated
	stands_for(listed, component)
}

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
	setting.uncovered in levels
	setting.gaps in levels
	is_object(setting.ecosystems)
	every level in setting.ecosystems {
		level in levels
	}
	is_array(setting.tolerated)
	every listed in setting.tolerated {
		is_string(listed)
		listed != ""
	}
}

levels := {"deny", "warn"}

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

# METADATA
# title: The bill of materials leaves nothing out that its maker saw
# description: >-
#   The maker of the SBOM found something in the image whose packages it cannot list: a database of
#   another system, a program that was linked. data.image.coverage.gaps says what that does.
# custom:
#   code: image.sbom-gaps
#   solution: Make the SBOM with a tool that knows it (for example the plugin sbom-syft) by `invoke sbom`.
deny contains found if {
	gaps_level == "deny"
	some gap in lib.facts("sbom").gaps
	found := lib.finding(rego.metadata.rule(), sprintf("The SBOM does not list %v.", [gap]))
}

# METADATA
# title: What the bill of materials leaves out is named
# description: As above, where data.image.coverage says that it is only to be known.
# custom:
#   code: image.sbom-gaps
#   solution: Make the SBOM with a tool that knows it (for example the plugin sbom-syft) by `invoke sbom`.
warn contains found if {
	gaps_level == "warn"
	some gap in lib.facts("sbom").gaps
	found := lib.finding(rego.metadata.rule(), sprintf("The SBOM does not list %v.", [gap]))
}

gaps_level := data.image.coverage.gaps if {
	coverage_understood
} else := "deny"
