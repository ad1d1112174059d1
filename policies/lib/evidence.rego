package lib

# METADATA
# title: Present
# description: There is evidence of this kind.
present(kind) if is_object(input.evidence[kind])

# METADATA
# title: About the image
# description: The evidence is about exactly this digest.
about_image(kind) if input.evidence[kind].subject == input.image.digest

# METADATA
# title: Status
# description: The evidence's status; "missing" when there is no evidence or it has none.
status(kind) := object.get(input, ["evidence", kind, "status"], "missing")

# METADATA
# title: Passed
# description: The check was made about this digest and said yes. Nothing else passes.
passed(kind) if {
	input.evidence[kind].subject == input.image.digest
	input.evidence[kind].status == "ok"
}

# METADATA
# title: Facts
# description: What the evidence found, or nothing at all.
facts(kind) := object.get(input, ["evidence", kind, "facts"], {})

# METADATA
# title: Said
# description: The evidence's own sentence, for messages, without its final stop.
said(kind) := trim_suffix(value(["evidence", kind, "summary"]), ".")

# METADATA
# title: Proven
# description: Who acts has been proven by a signature.
proven if input.actor.proven == true

# METADATA
# title: Rehearsal
# description: The project says that it only rehearses; unproven names are accepted and marked.
rehearsal if input.rehearsal == true

# METADATA
# title: Hours since
# description: Hours from the moment to input.now; negative for one in the future.
hours_since(moment) := (now - time.parse_rfc3339_ns(moment)) / hour

hour := 3600000000000

now := time.parse_rfc3339_ns(input.now)

# METADATA
# title: Within
# description: >-
#   The moment is at most so many hours ago. A moment in the future is not recent: it is wrong,
#   except for the few minutes by which clocks differ.
within(moment, hours) if {
	is_number(hours)
	old := now - time.parse_rfc3339_ns(moment) # nanoseconds, which compare without a division
	old <= hours * 3600000000000
	old >= clocks_differ
}

clocks_differ := (0 - data.lib.clock_skew_minutes) * 60000000000

# METADATA
# title: At least
# description: >-
#   A number that is not below another. Rego orders values of different types (any text is above
#   every number), so a comparison alone would let a text pass for many.
at_least(number, least) if {
	is_number(number)
	is_number(least)
	number >= least
}
