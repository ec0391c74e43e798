# SPDX-License-Identifier: GPL-2.0
# Everything happens in a sandbox; scripts/xol/ is the program that does it.

XOL := scripts/sandbox xol
ARCHS := $(addprefix --arch ,$(ARCH))
export KSRC XOL_CACHE CONFIG BASE

.DEFAULT_GOAL := $(if $(ARCH),kernel,help)
.PHONY: run bench test test-off test-debug test-mutations test-upstream test-host shell
.PHONY: kernel apply refresh series deb help

run:
	@$(XOL) run $(ARCHS)

bench:
	@$(XOL) bench $(ARCHS) $(if $(BASE),--base /tmp/base.json)

test:
	@$(XOL) test $(ARCHS)

test-off:
	@$(XOL) test-off $(ARCHS)

test-debug:
	@$(XOL) test-debug $(ARCHS) $(addprefix --kernel ,$(KERNEL))

test-mutations:
	@$(XOL) test-mutations $(ARCHS) $(addprefix --mutation ,$(MUTATION))

test-upstream:
	@$(XOL) test-upstream $(ARCHS)

test-host:
	@$(XOL) test-host

shell:
	@$(XOL) shell $(ARCHS)

kernel:
	@$(XOL) kernel $(ARCHS)

apply:
	@$(XOL) apply

series:
	@$(XOL) series $(ARCHS) $(if $(CHECK),--check)

refresh:
	@$(XOL) refresh $(addprefix --patch ,$(PATCH))

deb:
	@$(XOL) deb $(ARCHS) $(if $(CONFIG),--config /config)

help:
	@echo 'make run        from nothing to the comparison of slots in C and in Rust'
	@echo 'make bench      what a stepped hit costs, against an earlier run; BASE=FILE.json'
	@echo 'make test       host tests, KUnit, selftests, cost of a hit, on x86-64 and arm64;'
	@echo '                closes with "N passed, N failed"'
	@echo 'make test-off   the patched kernel with the feature off: selftests, cost of a hit'
	@echo 'make test-debug the selftests on kernels with KASAN and lockdep (KERNEL=debug),'
	@echo '                the same while nothing is boosted (debug-stepped), with'
	@echo '                KCSAN (kcsan), PREEMPT_RT (rt); on arm64 with pages of 16 and'
	@echo '                of 64 KiB (pages-16k, pages-64k)'
	@echo 'make test-mutations'
	@echo '                known defects, put back one by one: are they caught?'
	@echo '                MUTATION="15 ...": only these'
	@echo 'make test-upstream'
	@echo '                what the kernel itself has to test uprobes with, selftests of ftrace,'
	@echo '                seccomp, mm, x86 and BPF: slots in Rust must pass what those in C pass'
	@echo 'make test-host  those that need no kernel'
	@echo 'make shell      the patched kernel, interactive: bpftrace, perf, selftests'
	@echo 'make kernel     the patched kernel only'
	@echo 'make apply      puts the feature on the 7.2 or 7.3 tree KSRC=DIR'
	@echo 'make refresh    takes edits of the patched tree (in the cache: source/) into the'
	@echo '                checkout; PATCH=0006 names the patch of an edit'
	@echo 'make series     one git format-patch series; CHECK=1: each commit is built and booted'
	@echo 'make deb        Debian packages of the patched kernel; CONFIG=FILE'
	@echo
	@echo 'ARCH="x86_64 ..."  architectures, instead of this machine'"'"'s, or of both that'
	@echo '                   are tested'
	@echo 'KSRC=DIR           your 7.2 or 7.3 kernel tree, instead of Debian'"'"'s'
	@echo 'XOL_CACHE=DIR      where all that is made is kept'
