package canary

import data.lib

# METADATA
# title: The canary runs
# description: It has crashed. No streak has to confirm that.
# custom:
#   code: canary.crashed
#   solution: Look at its log and its exit code; fix it and release again.
deny_rollback contains found if {
	input.watch.at_once.code == "canary.crashed"
	found := lib.finding(rego.metadata.rule(), said(sprintf("%s; %s", [input.watch.at_once.reason, watched])))
}

# METADATA
# title: The canary has not been restarted
# description: Something restarted it during the watch, and what it counted before is gone.
# custom:
#   code: canary.restarted
#   solution: Look at its log for why it ended (memory, a failed liveness check); fix it and release again.
deny_rollback contains found if {
	input.watch.at_once.code == "canary.restarted"
	found := lib.finding(rego.metadata.rule(), said(sprintf("%s; %s", [input.watch.at_once.reason, watched])))
}

# METADATA
# title: The canary has the traffic that was set
# description: The router gives it another share than the one that was set.
# custom:
#   code: canary.shed
#   solution: Look at who changes the weight beside this pipeline, and at the router's own log.
deny_rollback contains found if {
	input.watch.at_once.code == "canary.shed"
	found := lib.finding(rego.metadata.rule(), said(sprintf("%s; %s", [input.watch.at_once.reason, watched])))
}

# METADATA
# title: The canary's counters do not contradict each other
# description: They went back, or another image answered.
# custom:
#   code: canary.contradiction
#   solution: Look at what answers in the canary's slot, then begin the canary again.
deny_rollback contains found if {
	input.watch.at_once.code == "canary.contradiction"
	found := lib.finding(rego.metadata.rule(), said(sprintf("%s; %s", [input.watch.at_once.reason, watched])))
}
