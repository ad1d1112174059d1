# METADATA
# title: Canary
# description: >-
#   What becomes of a canary under watch: continue, extend, promote, roll back or hold. The evidence is
#   counted in Python (input.watch); what is enough of it is said here. Whatever does not promote denies.
# schemas:
#   - input: schema.canary.input
package canary

import data.lib

# METADATA
# title: Decision of the gate canary
# description: The verdict, what the watch has come to with it, and every reason against going on.
# entrypoint: true
decision := {"deny": deny, "warn": set(), "advice": advice, "verdict": verdict, "outcome": outcome}

verdict := "rollback" if {
	count(deny_rollback) > 0
} else := "hold" if {
	count(deny_hold) > 0
} else := "continue" if {
	count(deny_watching) > 0
} else := "extend" if {
	count(deny_lacking) > 0
	extendable
} else := "rollback" if {
	count(deny_lacking) > 0
} else := "promote" if {
	known
	over
}

# METADATA
# title: The reasons of the verdict
# description: What the rules deny_rollback, deny_hold, deny_watching or deny_lacking found.
# custom:
#   collects: finding
deny contains found if {
	some found in reasons[verdict]
}

reasons := {
	"rollback": against,
	"hold": deny_hold,
	"continue": deny_watching,
	"extend": deny_lacking,
	"promote": set(),
}

against := deny_rollback if {
	count(deny_rollback) > 0
} else := deny_lacking

# A canary that passed a step passes the watch with the last one.
outcome := "running" if {
	verdict in {"continue", "extend", "hold"}
} else := "running" if {
	verdict == "promote"
	input.step.index < input.step.count - 1
} else := "pass" if {
	verdict == "promote"
} else := [each | some each in ["fail", "error", "no-data", "inconclusive"]; each in outcomes][0]

outcomes := {object.get(outcome_of, found.code, "fail") | some found in deny}

outcome_of := {
	"canary.no-data": "no-data",
	"canary.rule": "error",
	"canary.uncertified": "inconclusive",
	"canary.unseen": "error",
	"canary.unsettled": "inconclusive",
}

# --- what the rules share ---

# A service's first release has nothing to share the traffic with, and nothing to be compared with.
alone if {
	not read("stable")
	input.step.weight >= 100
}

# The side's counters have been read, at least once.
read(side) if is_object(input.watch.totals[side])

over if input.watch.step_seconds >= input.parameters.duration_seconds

# The rules of which the mission's limits are a part.
limited if input.parameters.rule in {"mission", "sequential"}

extendable if {
	input.parameters.rule == "sequential"
	input.watch.step_seconds < input.parameters.deadline_seconds
}

literal if input.parameters.rule == "mission"

literal if input.parameters.limits == "literal"

literal if not input.watch.stable_observed

breached(stream) if {
	limited
	input.watch.streams[stream].streak >= input.parameters.consecutive
}

# It counts against the canary.
broken(stream) if {
	breached(stream)
	counts(stream)
}

# A canary that is asked seldom is not checked at every look. Nothing but bad checks for as long as
# all of them would have taken counts as well, when the comparison agrees.
broken(stream) if {
	input.parameters.rule == "sequential"
	not literal
	answers := input.watch.streams[stream]
	answers.streak >= max([2, input.parameters.consecutive / 2])
	answers.streak_seconds >= input.parameters.consecutive * input.parameters.interval_seconds
	agreed(stream)
}

evidence_of := {"error_rate": "errors", "latency_p99": "latency"}

# A broken limit counts when the comparison agrees, or where there is nothing to compare with.
counts(_) if literal

counts(stream) if input.watch.streams[stream].stable == null

counts(stream) if agreed(stream)

agreed(stream) if input.watch.sequential.beyond[evidence_of[stream]] >= data.canary.keys.corroborate

# --- words ---

# Every message names the rule that was asked.
said(text) := sprintf("%s (rule %s).", [text, rule_named])

rule_named := sprintf("%s, limits %s", [input.parameters.rule, {true: "literal", false: "corroborated"}[is_literal]]) if {
	limited
} else := lib.value(["parameters", "rule"])

is_literal if literal

default is_literal := false

# Two decimals are enough for people; a percentile beyond every bucket is "inf".
shown(value) := round(value * 100) / 100 if {
	is_number(value)
} else := value if {
	is_string(value)
} else := "none"

# Nobody reads "none %": what was not measured has no unit.
amount(value, _) := "none" if value == null

amount(value, unit) := sprintf("%v %s", [shown(value), unit]) if value != null

watched := sprintf("%v s after its start", [round(input.watch.seconds)])

compared(stream) := sprintf("error rate %s on the canary against %s on stable after %v requests", [
	amount(total("canary", "error_rate"), "%"),
	amount(total("stable", "error_rate"), "%"),
	input.watch.samples.canary,
]) if {
	stream == "errors"
}

compared(stream) := sprintf("p99 %s on the canary against %s on stable after %v requests", [
	amount(total("canary", "p99_ms"), "ms"),
	amount(total("stable", "p99_ms"), "ms"),
	input.watch.samples.canary,
]) if {
	stream == "latency"
}

compared(stream) := sprintf("%v of %v health polls of the canary failed", [
	input.watch.streams.health.over,
	input.watch.streams.health.measured,
]) if {
	stream == "health"
}

total(side, name) := object.get(input.watch.totals, [side, name], null)
