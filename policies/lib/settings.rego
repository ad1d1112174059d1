package lib

# METADATA
# title: Covers
# description: What a setting says of environments ("all", or a list of names) includes this one.
covers("all", _)

covers(environments, name) if {
	is_array(environments)
	name in environments
}

# METADATA
# title: Environments
# description: >-
#   The setting is "all" or a list of names. An empty list is none: whoever means nowhere leaves the
#   whole setting out.
environments("all")

environments(setting) if {
	texts(setting)
	count(setting) > 0
}

# METADATA
# title: Texts
# description: The setting is a list of texts, none of them empty.
texts([])

texts(setting) if {
	is_array(setting)
	every each in setting {
		is_string(each)
		each != ""
	}
}
