# SPDX-License-Identifier: GPL-2.0
# Every command runs scripts/xol in a sandbox. bench-here then measures outside of it.

XOL := scripts/sandbox xol
ARCHS := $(addprefix --arch ,$(ARCH))
export KSRC XOL_CACHE CONFIG BASE FILE

.DEFAULT_GOAL := help
.PHONY: run bench bench-here coverage test test-off test-debug test-mutations test-upstream test-host
.PHONY: test-distro fuzz shell kernel apply refresh series deb clean help

run:
	@$(XOL) run $(ARCHS)

bench:
	@$(XOL) bench $(ARCHS) $(if $(BASE),--base /tmp/base.json)

bench-here:
	@scripts/bench-here

coverage:
	@$(XOL) coverage $(ARCHS) $(if $(FILE),--file /tmp/file)

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

test-distro:
	@$(XOL) test-distro $(ARCHS)

fuzz:
	@$(XOL) fuzz $(ARCHS) $(addprefix --minutes ,$(MINUTES))

shell:
	@$(XOL) shell $(ARCHS) $(addprefix --flavour ,$(FLAVOUR))

kernel:
	@$(XOL) kernel $(ARCHS) $(addprefix --flavour ,$(FLAVOUR))

apply:
	@$(XOL) apply

series:
	@$(XOL) series $(ARCHS) $(if $(CHECK),--check)

refresh:
	@$(XOL) refresh $(addprefix --patch ,$(PATCH))

deb:
	@$(XOL) deb $(ARCHS) $(if $(CONFIG),--config /config)

clean:
	@$(XOL) clean

define HELP
Try it:
  make run             builds and boots a kernel with slots in C and one in Rust, and
                       compares them
  make shell           boots the patched kernel with a shell, bpftrace, perf and the selftests
  make bench           measures the cost of a hit, and compares it with an earlier run
  make bench-here      measures the time of a hit on the running kernel, without a guest;
                       needs root
  make coverage        counts how many probes on a program (FILE=/usr/bin/python3) are emulated,
                       boosted, stepped or refused, by upstream's kernel and the patched one

Test it:
  make test            runs host tests, KUnit, selftests, and counts instructions per hit,
                       on x86-64 and arm64; ends with the line "N passed, N failed"
  make test-host       runs the tests that need no kernel
  make test-off        runs the selftests on the patched kernel with slots in C
                       (CONFIG_UPROBES_XOL_RUST=n), and compares the instructions per hit
                       with the unpatched kernel
  make test-debug      runs the selftests on kernels with more checks: debug (KASAN, lockdep),
                       debug-stepped (debug without boosting), kcsan, rt (PREEMPT_RT), and
                       on arm64 pages-16k and pages-64k
  make test-upstream   runs upstream's own tests of uprobes with slots in C and in Rust; a
                       test that passes with slots in C must pass with slots in Rust
  make test-distro     runs the selftests, bpftrace, perf, gdb, strace and valgrind in Debian's
                       userland, on kernels with Debian's own configuration: unpatched, and
                       with slots in Rust
  make fuzz            executes random instructions with and without a probe, with slots in C
                       and in Rust, and goes on where the last call ended; MINUTES=60
  make test-mutations  builds kernels with one known defect each, and checks that a test
                       catches the defect

Use it:
  make kernel          builds the patched kernel
  make deb             builds Debian packages of the patched kernel, with Debian's own
                       configuration, or with CONFIG=FILE
  make apply           applies the series to the kernel tree KSRC

Work on it:
  make refresh         writes edits of the patched tree in the cache back to this checkout
  make series          writes the patches as series for git am, each with a cover letter
  make clean           removes builds, reports and logs; keeps source, ccache, crates and
                       sandbox

Variables:
  ARCH="x86_64 ..."    architectures; by default this machine's, and for tests x86_64 and arm64
  KSRC=DIR             a 7.2 or 7.3 kernel tree to use instead of Debian's
  XOL_CACHE=DIR        the cache directory; by default ~/.cache/uprobes-xol
  BASE=FILE.json       bench: the bench.json of the run to compare with
  KERNEL="debug ..."   test-debug: only these kernels
  MUTATION="15 ..."    test-mutations: only these defects
  MINUTES=60           fuzz: the minutes for each kernel, instead of 10
  FILE=PATH            coverage: a program, or a directory of programs; by default the
                       programs of the guest
  CONFIG=FILE          deb: a kernel configuration, such as /boot/config-*
  FLAVOUR=distro       kernel, shell: another kernel, such as distro (Debian's configuration),
                       distro-c (the same, unpatched) or c
  PATCH=0006           refresh: the patch that gets the edits of upstream's files
  CHECK=1              series: builds each commit, and writes no files
endef
export HELP

help:
	@echo "$$HELP"
