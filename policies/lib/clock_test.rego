package lib_test

import data.lib

test_a_moment_may_lie_ahead_by_exactly_the_minutes_allowed if {
	lib.within("2026-11-24T12:05:00Z", 1) with input.now as "2026-11-24T12:00:00Z"
	not lib.within("2026-11-24T12:05:01Z", 1) with input.now as "2026-11-24T12:00:00Z"
}
