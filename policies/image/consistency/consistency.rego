package image

import data.lib

# METADATA
# title: The scan agrees with itself
# description: >-
#   The vulnerabilities listed are as many as were counted, and so are the packages that nobody
#   judged. Otherwise some were lost on the way, and the serious ones may be among them.
# custom:
#   code: image.scan-inconsistent
#   solution: Scan {repository}@{digest} again by `invoke scan`; if it persists, report it.
deny contains found if {
	lib.status("scan") == "ok"
	not consistent
	message := sprintf("The scan of %s counts other vulnerabilities or packages than it lists.", [
		lib.value(["image", "digest"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

consistent if {
	coverage_consistent
	listed := lib.facts("scan").vulnerabilities
	is_array(listed)
	counts := lib.facts("scan").counts
	every severity in severities | {"UNKNOWN"} {
		counts[severity] == count([1 | some each in listed; counted_as(each) == severity])
	}
}

coverage_consistent if {
	rows := lib.facts("scan").coverage
	is_object(rows)
	unjudged_packages := sum([left | some row in rows; left := row.packages - row.judged])
	unjudged_packages == count(lib.facts("scan").uncovered)
	every vulnerability in lib.facts("scan").vulnerabilities {
		is_object(rows[vulnerability.ecosystem])
	}
}

severities := {"CRITICAL", "HIGH", "MEDIUM", "LOW"}

# A scanner's own word for a severity counts as unknown.
counted_as(vulnerability) := vulnerability.severity if {
	vulnerability.severity in severities
} else := "UNKNOWN"
