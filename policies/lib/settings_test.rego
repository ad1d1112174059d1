package lib_test

import data.lib

test_environments_are_all_or_named if {
	every good in ["all", ["dev"], ["dev", "production"]] {
		lib.environments(good)
	}
	every wrong in ["production", [], [""], [1], {}, null, true, {"dev"}] {
		not understood(wrong)
	}
}

understood(setting) if lib.environments(setting)

test_what_environments_cover if {
	lib.covers("all", "dev")
	lib.covers(["dev"], "dev")
	not covered(["dev"], "staging")
	not covered("dev", "dev")
	not covered({"dev"}, "dev")
	not covered([], "dev")
}

covered(environments, name) if lib.covers(environments, name)

test_texts if {
	lib.texts([])
	lib.texts(["a"])
	every wrong in [null, "a", {}, {"a"}, [""], [1], ["a", null]] {
		not listed(wrong)
	}
}

listed(setting) if lib.texts(setting)
