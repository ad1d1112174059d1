package image

import data.lib

# METADATA
# title: The image was scanned
# description: >-
#   A scan of exactly this digest was completed and attested. A scan that could not be made is not
#   a clean one.
# custom:
#   code: image.scan-missing
#   solution: Scan {repository}@{digest} by `invoke scan`.
deny contains found if {
	some problem in scan_problems
	found := lib.finding(rego.metadata.rule(), problem)
}

scan_problems contains message if {
	not lib.present("scan")
	message := sprintf("There is no vulnerability scan of %s.", [lib.value(["image", "digest"])])
}

scan_problems contains message if {
	is_object(input.evidence.scan)
	not lib.about_image("scan")
	message := sprintf("The vulnerability scan is about %s, not about %s.", [
		lib.value(["evidence", "scan", "subject"]),
		lib.value(["image", "digest"]),
	])
}

scan_problems contains message if {
	is_object(input.evidence.scan)
	not scan_ended
	message := sprintf("The vulnerability scan was not completed: its status is %s (%s).", [
		lib.status("scan"),
		lib.said("scan"),
	])
}

scan_ended if input.evidence.scan.status in {"ok", "no-data"}

scan_problems contains message if {
	input.evidence.scan.status == "ok"
	not attested("scan")
	message := sprintf("The vulnerability scan of %s is not attested with a trusted key.", [
		lib.value(["image", "digest"]),
	])
}

# METADATA
# title: The scan had something to compare with
# description: >-
#   Without advisories every image looks clean. A scan against no database is therefore refused by a
#   code of its own, which may be waived where that is meant.
# custom:
#   code: image.scan-unscanned
#   solution: >-
#     Give the scanner an advisory database (see `invoke doctor`) and run `invoke scan` again. If the
#     image really has no packages, waive it:
#     `invoke waive image.scan-unscanned --digest={digest} --reason=...` (see docs/policies.md).
deny contains found if {
	input.evidence.scan.status # OPA's index then passes over the rule where there is none
	unscanned
	message := sprintf("%s was not compared with any advisory (%s).", [
		lib.value(["image", "digest"]),
		lib.said("scan"),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

unscanned if input.evidence.scan.status == "no-data"

unscanned if {
	input.evidence.scan.status == "ok"
	not compared
}

compared if {
	input.evidence.scan.facts.scanned == true
	count(scanners) > 0
	every scanner in scanners {
		had_advisories(scanner.database)
	}
}

# A service that is asked does not say how many it knows.
had_advisories(database) if database.advisories == null

had_advisories(database) if lib.at_least(database.advisories, 1)

# METADATA
# title: The scan is recent
# description: >-
#   Advisories appear daily; a scan older than data.image.scan_max_age_hours is none. That holds for
#   each scanner's: one that is dated in the future would stand before every later one of its
#   scanner, and behind the others its date would not be seen.
# custom:
#   code: image.scan-stale
#   solution: Scan {repository}@{digest} again by `invoke scan`.
deny contains found if {
	input.evidence.scan.status == "ok"
	some moment in scan_moments
	not scan_recent(moment)
	message := sprintf("The scan was made at %v; at %s that is not within the last %v hours.", [
		moment,
		lib.value(["now"]),
		scan_hours,
	])
	found := lib.finding(rego.metadata.rule(), message)
}

scan_moments contains object.get(input, ["evidence", "scan", "facts", "scanned_at"], null)

scan_moments contains object.get(scanner, "scanned_at", null) if some scanner in scanners

scan_recent(moment) if {
	is_string(moment)
	lib.within(moment, data.image.scan_max_age_hours)
}

# Who scanned; nobody when that is not said.
scanners := input.evidence.scan.facts.scanners if is_array(input.evidence.scan.facts.scanners)

default scan_hours := "(not set)"

scan_hours := data.image.scan_max_age_hours if is_number(data.image.scan_max_age_hours)
