# SPDX-License-Identifier: GPL-2.0
# Every command runs scripts/xol in a sandbox.

XOL := scripts/sandbox xol
ARCHS := $(addprefix --arch ,$(ARCH))
export KSRC XOL_CACHE CONFIG BASE

.DEFAULT_GOAL := help
.PHONY: run bench test test-off test-debug test-mutations test-upstream test-host shell
.PHONY: kernel apply refresh series deb clean help

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

clean:
	@$(XOL) clean

define HELP
Try it:
  make run             compares slots in C with slots in Rust: builds and boots both kernels
  make shell           boots the patched kernel with a shell, bpftrace, perf and the selftests
  make bench           measures what a hit costs, and compares it with an earlier run

Test it:
  make test            host tests, KUnit, selftests and instructions per hit on x86-64 and
                       arm64; ends with the line "N passed, N failed"
  make test-host       the tests that need no kernel
  make test-off        the patched kernel with CONFIG_UPROBES_XOL_RUST=n: selftests, and
                       instructions per hit against the pristine kernel
  make test-debug      the selftests on kernels that check themselves: debug (KASAN, lockdep),
                       debug-stepped (debug, nothing is boosted), kcsan, rt (PREEMPT_RT), and
                       on arm64 pages-16k and pages-64k
  make test-upstream   upstream's own tests of uprobes: slots in Rust must pass what slots in
                       C pass
  make test-mutations  puts known defects into the kernel, one by one: is each one caught?

Use it:
  make kernel          builds the patched kernel
  make deb             builds Debian packages of the patched kernel
  make apply           puts the feature on the kernel tree KSRC

Work on it:
  make refresh         takes edits of the patched tree in the cache into this checkout
  make series          makes one git format-patch series
  make clean           removes what was built, reports too; keeps source, ccache and sandbox

Variables:
  ARCH="x86_64 ..."    architectures; otherwise this machine's, or for tests both
  KSRC=DIR             a 7.2 or 7.3 kernel tree to use instead of Debian's
  XOL_CACHE=DIR        where everything is kept; otherwise ~/.cache/uprobes-xol
  BASE=FILE.json       bench: the bench.json of the run to compare with
  KERNEL="debug ..."   test-debug: only these kernels
  MUTATION="15 ..."    test-mutations: only these defects
  CONFIG=FILE          deb: a kernel configuration, such as /boot/config-*
  PATCH=0006           refresh: the patch that edits of existing files go into
  CHECK=1              series: builds and boots each commit instead
endef
export HELP

help:
	@echo "$$HELP"
