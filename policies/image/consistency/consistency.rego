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
	input.evidence.scan.status == "ok"
	not consistent
	message := sprintf("The scan of %s counts other vulnerabilities or packages than it lists.", [
		lib.value(["image", "digest"]),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

consistent if {
	coverage_consistent
	is_array(input.evidence.scan.facts.vulnerabilities)
	counts := input.evidence.scan.facts.counts
	every severity in severities {
		counts[severity] == listed_as[severity]
	}

	# A scanner's own word for a severity counts as unknown.
	known := sum([number | some number in listed_as])
	counts.UNKNOWN == count(input.evidence.scan.facts.vulnerabilities) - known
}

listed_as := {severity: count(listed) |
	some severity in severities
	listed := [index | some index, each in input.evidence.scan.facts.vulnerabilities; each.severity == severity]
}

coverage_consistent if {
	rows := input.evidence.scan.facts.coverage
	is_object(rows)
	unjudged_packages := sum([left | some row in rows; left := row.packages - row.judged])
	unjudged_packages == count(input.evidence.scan.facts.uncovered)
	every vulnerability in input.evidence.scan.facts.vulnerabilities {
		is_object(rows[vulnerability.ecosystem])
	}
}

severities := {"CRITICAL", "HIGH", "MEDIUM", "LOW"}
