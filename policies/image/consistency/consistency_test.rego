package image_test

test_lost_vulnerabilities if {
	changed("/evidence/scan/facts/vulnerabilities", []) == {"image.scan-inconsistent"}
	changed("/evidence/scan/facts/counts/CRITICAL", 1) == {"image.scan-inconsistent"}
	without("/evidence/scan/facts/counts/HIGH") == {"image.scan-inconsistent"}
	changed("/evidence/scan/facts/uncovered", ["pkg:pypi/c@1"]) == {"image.scan-inconsistent"}
	changed("/evidence/scan/facts/coverage/pypi/judged", 2) == {"image.scan-inconsistent"}
	without("/evidence/scan/facts/coverage/pypi") == {"image.scan-inconsistent"}
	without("/evidence/scan/facts/coverage") == {"image.scan-inconsistent"}
	without("/evidence/scan/facts/vulnerabilities") == {"image.scan-inconsistent"}
}
