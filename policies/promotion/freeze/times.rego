# When a freeze holds. Times are whole numbers of nanoseconds, as OPA counts them.
package promotion

import data.lib

hour := 3600000000000

week := (7 * 24) * hour

weekdays := ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

frozen_now(freeze) if {
	time.parse_rfc3339_ns(freeze.from) <= time.parse_rfc3339_ns(input.now)
	time.parse_rfc3339_ns(input.now) < time.parse_rfc3339_ns(freeze.to)
}

frozen_now(freeze) if in_a_window(weekly_windows(freeze.weekly), place_in_week(freeze.weekly))

frozen_until(freeze) := sprintf("until %s", [time.format(time.parse_rfc3339_ns(freeze.to))]) if {
	freeze.to
} else := weekly_until(freeze.weekly)

# The first moment that no window of the freeze holds: one may begin where another ends.
weekly_until(weekly) := text if {
	windows := weekly_windows(weekly)
	now := place_in_week(weekly)
	free := {left |
		some window in windows
		left := (((window.begins + window.lasts) - now) + (2 * week)) % week
		not in_a_window(windows, now + left)
	}
	text := weekly_end(free)
}

weekly_end(free) := sprintf("until %s", [time.format(time.parse_rfc3339_ns(input.now) + left)]) if {
	left := min(free)
} else := "at every hour of the week"

in_a_window(windows, place) if {
	some window in windows
	((place - window.begins) + week) % week < window.lasts
}

weekly_windows(weekly) := {window |
	some day in weekly.days
	begins := place_of(day, weekly.from)
	window := {"begins": begins, "lasts": window_lasts(weekly, begins)}
}

# Until the time "to" of the day "to_day"; without one, until it is that time next.
window_lasts(weekly, begins) := up_to(place_of(weekly.to_day, weekly.to) - begins, week) if {
	weekly.to_day
} else := up_to(clock(weekly.to) - clock(weekly.from), 24 * hour)

# From one time to the same time is a whole round and not none.
up_to(length, whole) := rest if {
	rest := (length + whole) % whole
	rest > 0
} else := whole

# How far into its week (from Monday, 00:00) the moment is where the offset holds. The first of
# January 1970, from which OPA counts, was a Thursday.
place_in_week(weekly) := ((time.parse_rfc3339_ns(input.now) + offset_of(weekly.offset)) + ((3 * 24) * hour)) % week

place_of(day, text) := ((24 * hour) * index) + clock(text) if {
	some index, each in weekdays
	each == day
}

clock(text) := time.parse_duration_ns(sprintf("%sh%sm", split(text, ":")))

offset_of("Z") := 0

offset_of(text) := clock(text) if text != "Z"

freeze_understood(freeze) if {
	freeze_named(freeze)
	object.keys(freeze) == {"environments", "from", "name", "reason", "roles", "to"}
	moment(freeze.from)
	moment(freeze.to)
	time.parse_rfc3339_ns(freeze.from) < time.parse_rfc3339_ns(freeze.to)
}

freeze_understood(freeze) if {
	freeze_named(freeze)
	object.keys(freeze) == {"environments", "name", "reason", "roles", "weekly"}
	is_object(freeze.weekly)
	object.keys(freeze.weekly) - {"to_day"} == {"days", "from", "offset", "to"}
	lib.texts(freeze.weekly.days)
	count(freeze.weekly.days) > 0
	every day in array.concat(freeze.weekly.days, [object.get(freeze.weekly, "to_day", "Monday")]) {
		day in weekdays
	}
	every text in [freeze.weekly.from, freeze.weekly.to] {
		is_string(text)
		regex.match(`^([01]\d|2[0-3]):[0-5]\d$`, text)
	}
	is_string(freeze.weekly.offset)
	regex.match(`^(Z|[+-](0\d|1[0-4]):[0-5]\d)$`, freeze.weekly.offset)
}

freeze_named(freeze) if {
	is_object(freeze)
	lib.texts([freeze.name, freeze.reason])
	lib.environments(freeze.environments)
	lib.texts(freeze.roles)
}

# RFC 3339 as far as its form goes. A thirtieth of February is the engine's error, which refuses.
moment(text) if {
	is_string(text)
	regex.match(
		`^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`,
		text,
	)
}
