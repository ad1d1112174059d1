# METADATA
# title: Fixtures
# description: Inputs that pass every rule; tests change one thing in them.
package lib_test

digest := "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

other := "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

policies := "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

people := {
	"anna": ["developer"],
	"robot": ["ci"],
	"tom": ["tech-lead"],
	"rita": ["release-manager"],
	"tess": ["tech-lead"],
}

evidence(kind, facts) := {
	"kind": kind,
	"status": "ok",
	"subject": digest,
	"made_at": "2026-11-24T11:00:00Z",
	"maker": {"plugin": "test", "tool": "test", "version": "1"},
	"summary": sprintf("The %s is fine.", [kind]),
	"facts": facts,
}

checks := {"checks": [{"name": "health", "status": "ok", "detail": "200"}]}

image_evidence := {
	"signature": evidence("signature", {"present": 1, "verified": 1, "keys": ["k"], "problems": []}),
	"provenance": evidence("provenance", {
		"attested": true,
		"builder": "urn:sluiceway:builder:build-layers",
		"repository": "https://example.com/settlement",
		"revision": "c0ffee",
		"branches": ["refs/heads/main"],
		"statements": 1,
	}),
	"sbom": evidence("sbom", {
		"attested": true,
		"format": "SPDX-2.3",
		"packages": 3,
		"gaps": [],
		"document_digest": other,
	}),
	"scan": evidence("scan", {
		"attested": true,
		"scanned": true,
		"scanned_at": "2026-11-24T10:30:00Z",
		"database": {
			"uri": "osv",
			"digest": other,
			"advisories": 12,
			"newest": "2026-11-01T00:00:00Z",
			"ecosystems": ["PyPI"],
		},
		"scanners": [{
			"plugin": "scan-osv",
			"tool": "osv",
			"version": "1",
			"status": "ok",
			"summary": "One found.",
			"scanned_at": "2026-11-24T10:30:00Z",
			"database": {
				"uri": "osv",
				"digest": other,
				"advisories": 12,
				"newest": "2026-11-01T00:00:00Z",
				"ecosystems": ["PyPI"],
			},
			"age_days": 23.4,
			"found": 1,
			"uncovered": 0,
		}],
		"coverage": {"pypi": {"packages": 3, "judged": 3}},
		"counts": {"CRITICAL": 0, "HIGH": 0, "MEDIUM": 1, "LOW": 0, "UNKNOWN": 0},
		"vulnerabilities": [{
			"id": "GHSA-1",
			"aliases": [],
			"own_aliases": [],
			"package": "pkg:pypi/a@1",
			"ecosystem": "pypi",
			"installed": "1",
			"severity": "MEDIUM",
			"fixed": [],
			"summary": "Slow.",
			"sources": ["osv"],
			"found_by": ["osv"],
		}],
		"uncovered": [],
	}),
}

# From canary to production: every rule applies.
promotion := {
	"gate": "promotion",
	"now": "2026-11-24T12:00:00Z",
	"service": "settlement",
	"run": "r1",
	"image": {"repository": "127.0.0.1:5555/settlement", "digest": digest, "media_type": "m"},
	"source": "canary",
	"target": "production",
	"environments": ["dev", "staging", "canary", "production"],
	"source_holds": digest,
	"source_since": "2026-11-23T12:00:00Z",
	"target_holds": other,
	"actor": {"name": "tom", "method": "ssh", "proven": true, "key": "SHA256:tom"},
	"rehearsal": false,
	"policy_digest": policies,
	"approvals": [{
		"approver": {"name": "rita", "method": "ssh", "proven": true, "key": "SHA256:rita"},
		"digest": digest,
		"source": "canary",
		"target": "production",
		"reason": "All well.",
		"made_at": "2026-11-24T11:30:00Z",
		"expires": "2026-11-25T11:30:00Z",
		"policy_digest": policies,
		"verdict": "approved",
		"valid": true,
		"problem": "",
	}],
	"builder": "robot",
	"change": {
		"known": true,
		"problem": "",
		"revision": "3f2a",
		"since": "9c01",
		"commits": 1,
		# She is known by her name alone, so that no list of addresses is needed.
		"people": [{"name": "Anna", "email": "anna"}],
	},
	"waivers": [],
	"evidence": object.union(image_evidence, {
		"smoke": evidence("smoke", checks),
		"canary": evidence("canary", {
			"verdict": "pass",
			"requests": 500,
			"run": "r0",
			"environment": "canary",
			"limits": {
				"consecutive": 3,
				"traffic_percent": 5,
				"error_rate_threshold": 5,
				"latency_p99_threshold_ms": 2000,
				"duration_seconds": 300,
				"rule": "sequential",
				"limits": "corroborated",
				"profile": "default",
				"steps": [],
				"warm_up_seconds": null,
			},
		}),
	}),
}

image := object.union(
	object.filter(promotion, ["now", "service", "run", "image", "waivers"]),
	{"gate": "image", "evidence": image_evidence},
)

rollback := object.union(
	object.filter(promotion, ["now", "service", "run", "image", "waivers", "actor", "rehearsal"]),
	{
		"gate": "rollback",
		"environment": "production",
		"current": other,
		"deployed_before": true,
		"evidence": object.filter(image_evidence, ["signature"]),
	},
)

# One migration, each statement of which is excused by something.
migration := migrating([
	fact("drop_table", {"table": "scratch", "new_object": "yes"}),
	fact("drop_column", {"table": "scratch", "column": "a", "temporary": true}),
	fact("add_column", {"table": "users", "column": "plan", "type": "text", "nullable": true}),
	fact("add_column", {"table": "users", "column": "tier", "type": "int", "default_at_end": true}),
	fact("add_column", {"table": "users", "column": "name", "type": "text", "generated": true}),
	fact("set_not_null", {"table": "users", "column": "email", "covered": true}),
	fact("create_index", {"table": "users", "object": "users_plan", "concurrently": true}),
])

migrating(facts) := {
	"gate": "migration",
	"now": "2026-11-24T12:00:00Z",
	"service": "settlement",
	"dialect": "postgres",
	"files": 1,
	"statements": 9,
	"kinds": {kind: [index | some index, fact in facts; fact.kind == kind] | some kind in {fact.kind | some fact in facts}},
	"facts": facts,
	"advice": false,
	"waivers": [],
	"actor": {"name": "nobody", "method": "none", "proven": false, "key": ""},
	"rehearsal": false,
}

fact(kind, more) := object.union(
	{
		"kind": kind,
		"file": "db/1.sql",
		"line": 3,
		"migration": "1.sql",
		"statement": "ALTER TABLE ...",
		"statement_hash": digest,
	},
	more,
)

# Watched for its whole time, and well.
canary := object.union(
	object.filter(promotion, ["now", "service", "run", "image", "waivers", "actor", "rehearsal"]),
	{
		"gate": "canary",
		"environment": "production",
		"parameters": {
			"traffic_percent": 5,
			"error_rate_threshold": 5,
			"latency_p99_threshold_ms": 2000,
			"duration_seconds": 300,
			"interval_seconds": 10,
			"consecutive": 3,
			"minimum_check_requests": 10,
			"minimum_requests": 50,
			"health_path": "/api/health",
			"rule": "sequential",
			"limits": "corroborated",
			"profile": "default",
			"warm_up_seconds": 30,
			"deadline_seconds": 900,
			"steps": [],
		},
		"step": {"index": 0, "count": 1, "weight": 5},
		"watch": {
			"looks": 31,
			"seconds": 300,
			"step_seconds": 300,
			"at_once": null,
			"samples": {"canary": 750, "good": 743, "stable": 14250},
			"streams": {
				"sight": looked(31, null, null),
				"health": looked(31, null, null),
				"error_rate": looked(30, 0.4, 0.5),
				"latency_p99": looked(30, 410, 407),
			},
			"sequential": {
				"worse": {"errors": 0.8, "latency": 0.7, "health": 0.3, "together": 0.71},
				"beyond": {"errors": 0.5, "latency": 0.4, "health": 0.3, "together": 0.44},
				"safe": {"errors": 64, "latency": 210, "together": 64},
				"leading": "errors",
			},
			"stable_observed": true,
			"totals": {
				"canary": side(digest, 750, 7),
				"stable": side(other, 14250, 141),
			},
			"unfinished": {"errors": {"requests": 0, "errors": 0}, "latency": {"answered": 0, "slow": 0}},
			"peers": {},
		},
	},
)

looked(measured, here, there) := {
	"measured": measured,
	"over": 0,
	"streak": 0,
	"streak_seconds": 0,
	"canary": here,
	"stable": there,
	"detail": "",
}

side(which, requests, errors) := {
	"digest": which,
	"requests": requests,
	"errors": errors,
	"error_rate": (100 * errors) / requests,
	"answered": requests,
	"p99_ms": 410,
}

# One that counts, for whatever a test asks it about.
waiver := {
	"id": "w1",
	"service": "settlement",
	"code": "gate.smoke",
	"environment": "production",
	"digest": digest,
	"package": "",
	"reason": "Tested by hand.",
	"owner": "rita",
	"method": "ssh",
	"proven": true,
	"key": "SHA256:rita",
	"signed": true,
	"made_at": "2026-11-24T11:00:00Z",
	"expires": "2026-12-24T11:00:00Z",
	"valid": true,
	"problem": "",
}

# The input with the value at a path replaced (or added).
set(document, path, value) := json.patch(document, [{"op": "add", "path": path, "value": value}])

# The input without the value at a path.
unset(document, path) := json.patch(document, [{"op": "remove", "path": path}])

codes(findings) := {finding.code | some finding in findings}
