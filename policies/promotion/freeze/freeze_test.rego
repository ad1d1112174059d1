package promotion_test

import data.lib_test as fixture
import data.promotion

year_end := {
	"name": "year end",
	"environments": ["production"],
	"from": "2026-12-18T17:00:00+01:00",
	"to": "2027-01-04T08:00:00Z",
	"roles": ["release-manager"],
	"reason": "The books are closed.",
}

weekend := {
	"name": "weekend",
	"environments": "all",
	"weekly": {"days": ["Friday"], "from": "16:00", "to_day": "Monday", "to": "08:00", "offset": "+01:00"},
	"roles": [],
	"reason": "Nobody is here.",
}

nights := {
	"name": "nights",
	"environments": ["production"],
	"weekly": {"days": ["Monday", "Sunday"], "from": "22:30", "to": "06:00", "offset": "Z"},
	"roles": [],
	"reason": "Backups.",
}

# What is in force is asked for by itself: the whole gate for every second would take long.
in_force(freeze, moment) := found if {
	found := promotion.freezes_in_force with input as {"now": moment, "target": "production"}
		with data.promotion.freezes as [freeze]
}

frozen(freeze, moment) if count(in_force(freeze, moment)) == 1

passes(freeze, moment) if count(in_force(freeze, moment)) == 0

until(freeze, moment) := text if text := promotion.frozen_until(freeze) with input.now as moment

now_frozen := object.union(year_end, {"from": "2026-11-24T12:00:00Z"})

test_a_freeze_holds_from_its_first_second_to_before_its_last if {
	passes(year_end, "2026-12-18T15:59:59Z")
	frozen(year_end, "2026-12-18T16:00:00Z")
	frozen(year_end, "2027-01-04T07:59:59Z")
	passes(year_end, "2027-01-04T08:00:00Z")
}

test_a_weekend_is_one_window_over_three_days if {
	passes(weekend, "2026-11-27T14:59:59Z")
	frozen(weekend, "2026-11-27T15:00:00Z")
	frozen(weekend, "2026-11-29T12:00:00Z")
	frozen(weekend, "2026-11-30T06:59:59Z")
	passes(weekend, "2026-11-30T07:00:00Z")
}

test_a_window_passes_midnight_and_the_end_of_the_week if {
	passes(nights, "2026-11-29T22:29:59Z")
	frozen(nights, "2026-11-29T22:30:00Z")
	frozen(nights, "2026-11-30T05:59:59Z")
	passes(nights, "2026-11-30T06:00:00Z")
	passes(nights, "2026-11-30T22:29:59Z")
	frozen(nights, "2026-12-01T05:59:59Z")
	passes(nights, "2026-12-01T06:00:00Z")
	passes(nights, "2026-12-01T22:30:00Z")
}

test_a_window_within_a_day if {
	noon := object.union(nights, {"weekly": {"from": "11:00", "to": "13:00", "offset": "-02:00"}})
	passes(noon, "2026-11-30T12:59:59Z")
	frozen(noon, "2026-11-30T13:00:00Z")
	frozen(noon, "2026-11-30T14:59:59Z")
	passes(noon, "2026-11-30T15:00:00Z")
}

test_a_refusal_says_until_when_and_who_may if {
	denied(fixture.promotion) == {"promotion.freeze"} with data.promotion.freezes as [now_frozen]
	some found in judged(fixture.promotion).deny with data.promotion.freezes as [now_frozen]
	found.about == "year end"
	found.msg == concat("", [
		"production is frozen until 2027-01-04T08:00:00Z: year end (The books are closed.). ",
		"Who may go all the same: release-manager.",
	])
	nobody := object.union(now_frozen, {"roles": []})
	some other in judged(fixture.promotion).deny with data.promotion.freezes as [nobody]
	endswith(other.msg, "(The books are closed.). Nobody may go all the same.")
	until(weekend, "2026-11-28T12:00:00Z") == "until 2026-11-30T07:00:00Z"
}

test_windows_that_meet_are_one if {
	days := object.union(nights, {"weekly": {"days": ["Saturday", "Sunday"], "from": "00:00", "to": "00:00"}})
	until(days, "2026-11-28T00:00:00Z") == "until 2026-11-30T00:00:00Z"
	until(days, "2026-11-29T23:59:59Z") == "until 2026-11-30T00:00:00Z"
	passes(days, "2026-11-27T23:59:59Z")
	passes(days, "2026-11-30T00:00:00Z")
	always := object.union(weekend, {"weekly": {"from": "08:00", "to_day": "Friday"}})
	until(always, "2026-11-28T00:00:00Z") == "at every hour of the week"
}

test_other_environments_are_not_frozen if {
	elsewhere := object.union(year_end, {"environments": ["canary", "staging"]})
	passes(elsewhere, "2026-12-24T18:00:00Z")
	frozen(object.union(year_end, {"environments": "all"}), "2026-12-24T18:00:00Z")
}

test_who_has_the_role_goes_all_the_same_and_it_is_said if {
	emergency := object.union(now_frozen, {"roles": ["release-manager", "tech-lead"]})
	denied(fixture.promotion) == set() with data.promotion.freezes as [emergency]
	some found in judged(fixture.promotion).warn with data.promotion.freezes as [emergency]
	found.code == "promotion.freeze"
	found.about == "year end"
	endswith(found.msg, "(The books are closed.). tom goes all the same.")
	warned(fixture.promotion) == set() with data.promotion.freezes as [now_frozen]
}

not_freezes := [
	null,
	{},
	"weekend",
	["weekend"],
	[{}],
	[object.union(year_end, {"name": ""})],
	[object.union(year_end, {"reason": 1})],
	[object.union(year_end, {"environments": "production"})],
	[object.union(year_end, {"environments": []})],
	[object.union(year_end, {"roles": "ci"})],
	[object.union(year_end, {"from": "2026-12-18"})],
	[object.union(year_end, {"from": 1})],
	[object.union(year_end, {"to": "2026-12-18T16:00:00"})],
	[object.union(year_end, {"to": "2026-12-18T16:00:00Z"})],
	[object.union(year_end, {"weekly": weekend.weekly})],
	[object.remove(year_end, ["roles"])],
	[object.remove(year_end, ["to"])],
	[object.union(weekend, {"until": "2026"})],
	[object.union(weekend, {"weekly": {"days": []}})],
	[object.union(weekend, {"weekly": {"days": "Friday"}})],
	[object.union(weekend, {"weekly": {"days": ["friday"]}})],
	[object.union(weekend, {"weekly": {"to_day": "Mo"}})],
	[object.union(weekend, {"weekly": {"to": "24:00"}})],
	[object.union(weekend, {"weekly": {"from": 16}})],
	[object.union(weekend, {"weekly": {"from": "4:00"}})],
	[object.union(weekend, {"weekly": {"offset": "Europe/Zurich"}})],
	[object.union(weekend, {"weekly": {"offset": 1}})],
	[object.union(weekend, {"weekly": {"zone": "UTC"}})],
	[json.remove(weekend, ["weekly/offset"])],
	[object.union(weekend, {"weekly": "Friday"})],
]

test_a_freeze_that_is_not_understood_always_holds if {
	every wrong in not_freezes {
		count(promotion.freezes_not_understood) == 1 with data.promotion.freezes as wrong
	}
	promotion.freezes_not_understood == set() with data.promotion.freezes as [year_end, weekend, nights]
	denied(fixture.promotion) == {"promotion.freeze"} with data.promotion.freezes as null
}

test_the_refusal_says_which_is_not_understood if {
	mixed := [year_end, {"name": "x"}, 7]
	promotion.freezes_not_understood == {
		"The policy's setting promotion.freezes is not understood: entry 1 (x).",
		"The policy's setting promotion.freezes is not understood: entry 2 (not an object).",
	} with data.promotion.freezes as mixed
}

test_a_freeze_for_no_environment_of_the_service_is_told if {
	misspelt := object.union(now_frozen, {"environments": ["prodution", "Production"]})
	decided := judged(fixture.promotion) with data.promotion.freezes as [misspelt]
	decided.deny == set()
	some found in decided.warn
	found.code == "promotion.freeze"
	found.about == "year end"
	found.msg == concat("", [
		"The freeze year end names prodution, Production, ",
		"and settlement has dev, staging, canary, production.",
	])
}

test_a_freeze_for_another_environment_that_exists_is_not_told if {
	every environments in [["dev"], ["elsewhere", "dev"], "all"] {
		promotion.for_some_environment({"environments": environments}) with input as fixture.promotion
	}
	elsewhere := object.union(now_frozen, {"environments": ["dev"]})
	decided := judged(fixture.promotion) with data.promotion.freezes as [elsewhere]
	decided.warn == set()
}
