package canary_test

import data.lib_test as fixture

test_the_missions_rule_says_on_what_it_promotes if {
	some said in judged(fixture.set(fixture.canary, "/parameters/rule", "mission")).advice
	contains(said.msg, "; nothing was held against it; 300 s after its start (rule mission, limits literal).")
	judged(fixture.set(fixture.canary, "/watch/step_seconds", 1)).advice == set()
}
