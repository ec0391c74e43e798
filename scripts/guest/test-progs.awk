# SPDX-License-Identifier: GPL-2.0
#
# Turns what test_progs of the BPF selftests says of one test into TAP: a case for
# each subtest. Without subtests there is none: then its status counts, and here it
# is 4, as kselftests have it, when the test was skipped.

# It says everything about failures once more.
/^All error logs:/ {
	repeated = 1
}

!repeated && /^#[0-9]+(\/[0-9]+)? .*:(OK|FAIL|SKIP)/ {
	subtest = $1 ~ /\//
	verdict = $0
	sub(/.*:/, "", verdict)
	# A test of which some subtests were skipped: "OK (SKIP: 1/7)".
	if (!subtest) {
		skipped = $0 ~ /:SKIP/
		next
	}
	name = $0
	sub(/^#[0-9\/]+ +[^\/]*\//, "", name)
	sub(/:[A-Z]+$/, "", name)
	if (!cases++)
		print "TAP version 13"
	print (verdict == "FAIL" ? "not ok " : "ok ") cases " " name \
		(verdict == "SKIP" ? " # SKIP" : "")
	next
}

!repeated

END {
	if (cases)
		print "1.." cases
	else if (skipped) {
		print "test_progs does not say why"
		exit 4
	}
}
