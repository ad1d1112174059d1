package image

import data.lib

# METADATA
# title: The bill of materials leaves nothing out that its maker saw
# description: >-
#   The maker of the SBOM found something in the image whose packages it cannot list: a database of
#   another system, a program that was linked. data.image.coverage.gaps says what that does.
# custom:
#   code: image.sbom-gaps
#   solution: Make the SBOM with a tool that knows it (for example the plugin sbom-syft) by `invoke sbom`.
deny contains found if {
	gaps := input.evidence.sbom.facts.gaps
	gaps_level == "deny"
	some gap in gaps
	found := lib.finding(rego.metadata.rule(), sprintf("The SBOM does not list %v.", [gap]))
}

# METADATA
# title: What the bill of materials leaves out is named
# description: As above, where data.image.coverage says that it is only to be known.
# custom:
#   code: image.sbom-gaps
#   solution: Make the SBOM with a tool that knows it (for example the plugin sbom-syft) by `invoke sbom`.
warn contains found if {
	gaps := input.evidence.sbom.facts.gaps
	gaps_level == "warn"
	some gap in gaps
	found := lib.finding(rego.metadata.rule(), sprintf("The SBOM does not list %v.", [gap]))
}

gaps_level := data.image.coverage.gaps if {
	coverage_understood
} else := "deny"
