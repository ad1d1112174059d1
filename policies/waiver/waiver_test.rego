package waiver_test

import data.lib_test as fixture
import data.waiver

# The promotion that passes, with one waiver that is changed at one place.
given(path, value) := fixture.set(fixture.promotion, "/waivers", [fixture.set(fixture.waiver, path, value)])

lacking(path) := fixture.set(fixture.promotion, "/waivers", [fixture.unset(fixture.waiver, path)])

good := fixture.set(fixture.promotion, "/waivers", [fixture.waiver])

unsigned := fixture.set(fixture.promotion, "/waivers", [object.union(fixture.waiver, {
	"signed": false, "proven": false, "owner": "nobody", "method": "", "key": "", "made_at": "",
})])

objections(document) := found if {
	found := waiver.judged.objections.w1 with input as document with data.promotion.people as fixture.people
}

nobody_signed := "nobody signed it; sign one by `invoke waive gate.smoke`, or set data.waiver.unsigned"

test_one_that_counts if {
	objections(good) == set()
	waiver.judged == {"objections": {"w1": set()}, "warn": set()} with input as good
		with data.promotion.people as fixture.people
	waiver.judged == {"objections": {}, "warn": set()} with input as fixture.promotion
}

test_every_gate_says_it if {
	data.promotion.decision.waivers.objections == {"w1": set()} with input as good
		with data.promotion.people as fixture.people
	in_image := fixture.set(fixture.image, "/waivers", [fixture.waiver])
	data.image.decision.waivers.objections == {"w1": set()} with input as in_image
		with data.promotion.people as fixture.people
	back := fixture.set(fixture.rollback, "/waivers", [fixture.waiver])
	data.rollback.decision.waivers.objections == {"w1": set()} with input as back
		with data.promotion.people as fixture.people
}

test_what_is_not_valid_is_not_looked_into if {
	torn := object.union(fixture.waiver, {"valid": false, "problem": "torn", "made_at": "?", "expires": "", "owner": ""})
	objections(fixture.set(fixture.promotion, "/waivers", [torn])) == {"it is not valid (torn)"}
	objections(given("/valid", "yes")) == {"it is not valid ()"}
	"it is not valid ()" in objections(lacking("/valid"))
	"it is not valid ()" in objections(fixture.set(fixture.promotion, "/waivers", [{"id": "w1", "signed": true}]))
	waiver.warn == set() with input as fixture.set(fixture.promotion, "/waivers", [torn])
}

test_one_that_nobody_signed if {
	objections(unsigned) == {nobody_signed}
	objections(unsigned) == set() with data.waiver.unsigned as true
	objections(unsigned) == {nobody_signed} with data.waiver.unsigned as null
	objections(fixture.set(unsigned, "/rehearsal", true)) == set()
	"nobody signed it; sign one by `invoke waive CODE`, or set data.waiver.unsigned" in objections(fixture.unset(unsigned, "/waivers/0/code"))
	objections(given("/signed", "yes")) == {nobody_signed}
}

test_the_person_is_proven_but_in_a_rehearsal if {
	claimed := given("/proven", false)
	objections(claimed) == {"the person is not proven"}
	objections(fixture.set(claimed, "/rehearsal", true)) == set()
}

test_the_person_has_one_of_the_roles if {
	none := "the person has none of the roles tech-lead, release-manager"
	objections(given("/owner", "anna")) == {none}
	objections(given("/owner", "mallory")) == {none}
	objections(given("/owner", "tess")) == set()
	objections(good) == {"the person has none of the roles robot"} with data.waiver.roles as ["robot"]
	every wrong in [null, "release-manager", [1, "release-manager"], {}] {
		objections(good) == {"the person has none of the roles "} with data.waiver.roles as wrong
	}
}

test_nobody_waives_for_oneself if {
	own := "the person asks for this promotion"
	objections(given("/owner", "tom")) == {own}
	objections(given("/key", "SHA256:tom")) == {own}
	objections(given("/owner", "tom")) == set() with data.waiver.by_requester as true
	objections(given("/owner", "tom")) == {own} with data.waiver.by_requester as null
	objections(fixture.unset(good, "/actor")) == {own}
	keyless := fixture.set(given("/key", ""), "/actor/key", "")
	objections(keyless) == set()
	objections(fixture.set(good, "/actor/key", "")) == set()
	objections(fixture.set(fixture.image, "/waivers", [fixture.waiver])) == set()
}

test_it_lasts_no_longer_than_allowed if {
	objections(given("/expires", "2027-02-22T11:00:00Z")) == set()
	objections(given("/expires", "2027-02-22T11:00:01Z")) == {"it lasts longer than 90 days"}
	objections(good) == {"it lasts longer than 29 days"} with data.waiver.max_days as 29
	objections(good) == {"it lasts longer than (not set) days"} with data.waiver.max_days as null
	objections(good) == {"it lasts longer than (not set) days"} with data.waiver.max_days as "90"
}

test_it_is_not_dated_in_the_future if {
	objections(given("/made_at", "2026-11-24T12:05:00Z")) == set()
	objections(given("/made_at", "2026-11-24T12:05:01Z")) == {"it is dated in the future"}
}

test_what_may_hurt_in_many_ways_is_named if {
	message := "a waiver of image.vulnerability has to name which (image.vulnerability/...) or a package"
	broad := given("/code", "image.vulnerability")
	objections(broad) == {message}
	objections(fixture.set(broad, "/waivers/0/package", "pkg:npm/a")) == set()
	objections(given("/code", "image.vulnerability/CVE-1")) == set()
	objections(broad) == set() with data.waiver.narrow as []
	objections(broad) == set() with data.waiver.narrow as ["image.sbom"]
	every wrong in [null, "image.sbom", {}, [null], [["image.vulnerability"]], ["image.sbom", {}]] {
		objections(broad) == {message} with data.waiver.narrow as wrong
	}
	objections(given("/code", "image.vulnerability/CVE-1")) == set() with data.waiver.narrow as null
	message in objections(fixture.unset(broad, "/waivers/0/package"))
	"a waiver of (missing) has to name which ((missing)/...) or a package" in objections(lacking("/code"))
}

expiring(document) := {found.about | some found in waiver.judged.warn with input as document}

test_one_that_ends_soon_is_said if {
	expiring(older("2026-12-01T12:00:01Z")) == set()
	expiring(older("2026-12-01T12:00:00Z")) == {"w1"}
	expiring(older("2026-11-24T12:00:00Z")) == {"w1"}
	expiring(good) == {"w1"} with data.waiver.warn_days as null
	expiring(good) == {"w1"} with data.waiver.warn_days as "7"
	some found in waiver.warn with input as older("2026-12-01T12:00:00Z")
	found.msg == "The waiver w1 by rita ends at 2026-12-01T12:00:00Z."
	found.code == "waiver.expiring"
}

# Signed so long ago that most of its time is over.
older(expires) := fixture.set(given("/expires", expires), "/waivers/0/made_at", "2026-11-10T12:00:00Z")

test_a_short_one_is_said_from_its_half_on if {
	expiring(given("/expires", "2026-11-24T13:00:01Z")) == set()
	expiring(given("/expires", "2026-11-24T13:00:00Z")) == {"w1"}
	expiring(fixture.set(unsigned, "/waivers/0/expires", "2026-11-26T12:00:00Z")) == {"w1"}
}
