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
	lib.present("scan")
	not lib.about_image("scan")
	message := sprintf("The vulnerability scan is about %s, not about %s.", [
		lib.value(["evidence", "scan", "subject"]),
		lib.value(["image", "digest"]),
	])
}

scan_problems contains message if {
	lib.present("scan")
	not scan_ended
	message := sprintf("The vulnerability scan was not completed: its status is %s (%s).", [
		lib.status("scan"),
		lib.said("scan"),
	])
}

scan_ended if lib.status("scan") in {"ok", "no-data"}

scan_problems contains message if {
	lib.status("scan") == "ok"
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
#     image really has no packages, waive it: [[waivers]] code = "image.scan-unscanned" with reason,
#     owner and expires (see docs/policies.md).
deny contains found if {
	unscanned
	message := sprintf("%s was not compared with any advisory (%s).", [
		lib.value(["image", "digest"]),
		lib.said("scan"),
	])
	found := lib.finding(rego.metadata.rule(), message)
}

unscanned if lib.status("scan") == "no-data"

unscanned if {
	lib.status("scan") == "ok"
	not compared
}

compared if {
	lib.facts("scan").scanned == true
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
	lib.status("scan") == "ok"
	some moment in scan_moments
	not scan_recent(moment)
	message := sprintf("The scan was made at %v; at %s that is not within the last %v hours.", [
		moment,
		lib.value(["now"]),
		scan_hours,
	])
	found := lib.finding(rego.metadata.rule(), message)
}

scan_moments contains object.get(lib.facts("scan"), "scanned_at", null)

scan_moments contains object.get(scanner, "scanned_at", null) if some scanner in scanners

scan_recent(moment) if {
	is_string(moment)
	lib.within(moment, data.image.scan_max_age_hours)
}

# METADATA
# title: The advisories are recent
# description: >-
#   The newest advisory of every scanner's database is not older than
#   data.image.database_max_age_days. The default is ten years, that is: off. A small database of
#   one's own may rightly be quiet for long; whoever mirrors a public one should set a few days. A
#   database without a date is refused, unless its scanner is listed in
#   data.image.undated_databases (one that asks a service).
# custom:
#   code: image.database-stale
#   solution: >-
#     Update the advisory database (see `invoke doctor`) and run `invoke scan` again; a scanner that
#     asks a service, whose advisories have no date, may be listed in data.image.undated_databases.
deny contains found if {
	lib.status("scan") == "ok"
	some scanner in scanners
	not database_recent(scanner)
	message := sprintf("The newest advisory of %v is of %v; at %s that is not within the last %v days.", [
		object.get(scanner, "tool", "a scanner"),
		object.get(scanner, ["database", "newest"], "(missing)"),
		lib.value(["now"]),
		database_days,
	])
	found := lib.finding_about(rego.metadata.rule(), message, object.get(scanner, "tool", ""))
}

database_recent(scanner) if {
	scanner.database.newest == null
	scanner.tool in data.image.undated_databases
}

database_recent(scanner) if {
	is_number(database_days)
	is_string(scanner.database.newest)
	lib.within(scanner.database.newest, database_days * 24)
}

# METADATA
# title: No serious vulnerability
# description: >-
#   No advisory of a severity that data.image.tolerated_severities does not list matches a package of
#   the image. What is not listed is refused, so an advisory of unknown severity counts as serious.
# custom:
#   code: image.vulnerability
#   solution: >-
#     Upgrade the package and build again. If it cannot hurt you, waive it for a while: [[waivers]]
#     code = "image.vulnerability/{about}" with reason, owner and expires (see docs/policies.md).
deny contains found if {
	some vulnerability in lib.facts("scan").vulnerabilities
	not tolerated(vulnerability)
	message := sprintf("%v in %v is %v: %v. %s", [
		object.get(vulnerability, "id", "An advisory without id"),
		object.get(vulnerability, "package", "an unnamed package"),
		object.get(vulnerability, "severity", "of unknown severity"),
		trim_suffix(object.get(vulnerability, "summary", ""), "."),
		fixed_in(vulnerability),
	])
	about := lib.finding_about(rego.metadata.rule(), message, object.get(vulnerability, "id", ""))

	# A waiver may use any name that no other vulnerability of the package has.
	found := object.union(about, {"aliases": object.get(vulnerability, "own_aliases", [])})
}

tolerated(vulnerability) if vulnerability.severity in data.image.tolerated_severities

fixed_in(vulnerability) := sprintf("It is fixed in %s.", [concat(", ", vulnerability.fixed)]) if {
	count(vulnerability.fixed) > 0
} else := "No version that fixes it is known."

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
	words := [counted_as(each) | some each in listed]
	every severity in severities | {"UNKNOWN"} {
		counts[severity] == count([1 | some word in words; word == severity])
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

# Who scanned; nobody when that is not said.
scanners := lib.facts("scan").scanners if is_array(lib.facts("scan").scanners)

default scan_hours := "(not set)"

scan_hours := data.image.scan_max_age_hours if is_number(data.image.scan_max_age_hours)

default database_days := "(not set)"

database_days := data.image.database_max_age_days if is_number(data.image.database_max_age_days)
