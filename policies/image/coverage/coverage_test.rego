package image_test

import data.image
import data.lib_test as fixture

left_out(packages) := fixture.set(
	fixture.set(fixture.image, "/evidence/scan/facts/uncovered", packages),
	"/evidence/scan/facts/coverage/left", {"packages": count(packages), "judged": 0},
)

said(level, packages) := {[found.code, found.about] |
	some found in image.decision[level] with input as left_out(packages)
	found.code == "image.uncovered"
}

mixed := ["pkg:npm/a@1", "pkg:npm/%40s/b@2?x=y", "pkg:deb/debian/libc6@2", "thing"]

defaults := {"ecosystems": {}, "gaps": "warn", "tolerated": [], "uncovered": "warn"}

test_what_nobody_judged_warns_for_each_ecosystem if {
	said("warn", mixed) == {
		["image.uncovered", "deb"],
		["image.uncovered", "npm"],
		["image.uncovered", "unknown"],
	}
	said("deny", mixed) == set()
	some found in image.decision.warn with input as left_out(["pkg:npm/a@1", "pkg:npm/b@2"])
	found.msg == "Packages of the ecosystem npm that no scan judged: 2, for example pkg:npm/a@1."
}

test_one_ecosystem_may_deny if {
	setting := object.union(defaults, {"ecosystems": {"npm": "deny"}})
	said("deny", mixed) == {["image.uncovered", "npm"]} with data.image.coverage as setting
	said("warn", mixed) == {["image.uncovered", "deb"], ["image.uncovered", "unknown"]} with data.image.coverage as setting
}

test_all_may_deny_and_one_only_warn if {
	setting := object.union(defaults, {"uncovered": "deny", "ecosystems": {"unknown": "warn"}})
	said("warn", mixed) == {["image.uncovered", "unknown"]} with data.image.coverage as setting
	said("deny", mixed) == {["image.uncovered", "deb"], ["image.uncovered", "npm"]} with data.image.coverage as setting
}

test_what_is_looked_after_by_hand_is_not_said if {
	every listed in ["pkg:npm/a@1", "pkg:npm/a"] {
		said("warn", ["pkg:npm/a@1"]) == set() with data.image.coverage.tolerated as [listed]
	}
	every other in ["pkg:npm", "pkg:npm/", "pkg:npm/a@", "pkg:npm/a@2", "a", "pkg:npm/ab"] {
		said("warn", ["pkg:npm/a@1"]) == {["image.uncovered", "npm"]} with data.image.coverage.tolerated as [other]
	}
	said("warn", ["pkg:npm/b@2?x=y"]) == set() with data.image.coverage.tolerated as ["pkg:npm/b@2"]
}

not_understood := [
	null,
	{},
	"warn",
	object.union(defaults, {"uncovered": "allow"}),
	object.union(defaults, {"gaps": "off"}),
	object.union(defaults, {"ecosystems": ["npm"]}),
	object.union(defaults, {"ecosystems": {"npm": true}}),
	object.union(defaults, {"tolerated": "pkg:npm/a"}),
	object.union(defaults, {"tolerated": [1]}),
	object.union(defaults, {"tolerated": [""]}),
	object.union(defaults, {"tolerate": []}),
	object.remove(defaults, ["uncovered"]),
]

test_a_setting_that_is_not_understood_is_refused if {
	every wrong in not_understood {
		not image.coverage_understood with data.image.coverage as wrong
	}
	image.coverage_understood
	some found in image.decision.deny with input as fixture.image with data.image.coverage as null
	found.code == "image.coverage"
	found.waivable == false
}

test_a_setting_that_is_not_understood_allows_nothing if {
	said("deny", mixed) == {
		["image.uncovered", "deb"],
		["image.uncovered", "npm"],
		["image.uncovered", "unknown"],
	} with data.image.coverage as "warn"
	said("warn", mixed) == set() with data.image.coverage as "warn"
}
