package promotion

import data.lib

# METADATA
# title: The canary was watched within the limits
# description: >-
#   A canary proves no more than it was asked. Its thresholds, how many bad checks in a row it takes,
#   its share of the traffic and its minutes are within data.promotion.canary_limits, and its rule, what
#   that forgives and its steps are among data.promotion.canary_ways, whatever `invoke canary` was given.
# custom:
#   code: promotion.canary-limits
#   solution: Watch it again with `invoke canary` and the numbers that are configured, then promote.
deny contains found if {
	input.evidence.canary # OPA's index then passes over the rule where there is none
	canary_counts
	not lib.rehearsal
	some problem in limit_problems
	found := lib.finding(rego.metadata.rule(), problem)
}

# METADATA
# title: A canary outside of the limits is marked
# description: In a rehearsal a shorter or laxer canary is accepted, and the decision says so.
# custom:
#   code: promotion.canary-limits
#   solution: Take rehearsal = true out of [identity] before anything is at stake.
warn contains found if {
	input.evidence.canary
	canary_counts
	lib.rehearsal
	some problem in limit_problems
	found := lib.finding(rego.metadata.rule(), problem)
}

limit_problems contains message if {
	canary_limits_understood
	some name, limit in watched
	not limit_kept(name)
	message := sprintf("The canary was watched with %s %v; that has to be %s %v.", [
		limit.fact,
		object.get(lib.facts("canary"), ["limits", limit.fact], "(missing)"),
		limit.bound,
		limit_value(name),
	])
}

limit_problems contains message if {
	canary_ways_understood
	some fact, name in allowed
	found := object.get(lib.facts("canary"), ["limits", fact], "(missing)")
	known := data.promotion.canary_ways[name]
	not way_allowed(found, known)
	message := sprintf("The canary was watched with %s %v; that has to be one of %v.", [
		fact,
		found,
		known,
	])
}

limit_problems contains message if {
	canary_ways_understood
	found := object.get(lib.facts("canary"), ["limits", "warm_up_seconds"], "(missing)")
	not warm_up_allowed(found)
	message := sprintf("The canary was watched with warm_up_seconds %v; that has to be at most %v.", [
		found,
		data.promotion.canary_ways.warm_up_seconds,
	])
}

# Which list each word of the watch has to be in.
allowed := {"rule": "rules", "limits": "limits", "profile": "profiles", "steps": "steps"}

way_allowed(found, known) if found in known

# No steps: one weight, which has a limit of its own.
way_allowed([], _)

# As long as the profile says.
warm_up_allowed(null)

warm_up_allowed(seconds) if {
	lib.at_least(seconds, 0)
	lib.at_least(data.promotion.canary_ways.warm_up_seconds, seconds)
}

# Where the path asks for a canary; that there is none is said elsewhere.
canary_counts if {
	step
	not canary_excused
	is_object(input.evidence.canary)
}

# Which number of the watch each limit is about. Durations are in seconds there.
watched := {
	"consecutive": {"fact": "consecutive", "bound": "at most"},
	"error_rate_percent": {"fact": "error_rate_threshold", "bound": "at most"},
	"minutes": {"fact": "duration_seconds", "bound": "at least"},
	"p99_ms": {"fact": "latency_p99_threshold_ms", "bound": "at most"},
	"traffic_percent": {"fact": "traffic_percent", "bound": "at most"},
}

limit_kept(name) if {
	watched[name].bound == "at most"
	lib.at_least(limit_value(name), input.evidence.canary.facts.limits[watched[name].fact])
}

limit_kept(name) if {
	watched[name].bound == "at least"
	lib.at_least(input.evidence.canary.facts.limits[watched[name].fact], limit_value(name))
}

limit_value("minutes") := data.promotion.canary_limits.minutes * 60

limit_value(name) := data.promotion.canary_limits[name] if name != "minutes"

# METADATA
# title: The limits of a canary are said in a form that is understood
# description: >-
#   data.promotion.canary_limits is an object of the numbers consecutive, error_rate_percent, minutes,
#   p99_ms and traffic_percent. In any other form nobody knows what a canary has to keep to, so none did.
# custom:
#   code: promotion.canary-limits
#   solution: >-
#     Write data.promotion.canary_limits as docs/policies.md shows it, with all five numbers.
deny contains found if {
	input.evidence.canary
	canary_counts
	not canary_limits_understood
	found := lib.finding(rego.metadata.rule(), "The policy's setting promotion.canary_limits is not understood.")
}

canary_limits_understood if {
	is_object(data.promotion.canary_limits)
	object.keys(data.promotion.canary_limits) == object.keys(watched)
	every limit in data.promotion.canary_limits {
		is_number(limit)
	}
}

# METADATA
# title: The ways to watch a canary are said in a form that is understood
# description: >-
#   data.promotion.canary_ways is an object of the lists rules, limits, profiles and steps (a list of lists
#   of numbers) and the number warm_up_seconds. In any other form nobody knows how a canary may be watched.
# custom:
#   code: promotion.canary-limits
#   solution: >-
#     Write data.promotion.canary_ways as docs/policies.md shows it, with all five keys.
deny contains found if {
	input.evidence.canary
	canary_counts
	not canary_ways_understood
	found := lib.finding(rego.metadata.rule(), "The policy's setting promotion.canary_ways is not understood.")
}

canary_ways_understood if {
	is_object(data.promotion.canary_ways)
	object.keys(data.promotion.canary_ways) == {"limits", "profiles", "rules", "steps", "warm_up_seconds"}
	is_number(data.promotion.canary_ways.warm_up_seconds)
	is_array(data.promotion.canary_ways.limits)
	is_array(data.promotion.canary_ways.profiles)
	is_array(data.promotion.canary_ways.rules)
	is_array(data.promotion.canary_ways.steps)
}
