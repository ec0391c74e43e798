// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/bpf_common.h>
#include <linux/perf_event.h>
#include <asm/ptrace.h>

#include "kselftest.h"
#include "probe.h"
#include "threads.h"

#define PMU		"/sys/bus/event_source/devices/uprobe"
/* Seconds in which thousands of threads die, even with every debug option */
#define DYING		60

void give_up(int code, const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(code);
}

static int sys_bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return syscall(__NR_bpf, command, attr, sizeof(*attr));
}

static unsigned int possible_cpus(void)
{
	static unsigned int cpus;
	unsigned int first, last;
	FILE *file;

	if (cpus)
		return cpus;

	file = fopen("/sys/devices/system/cpu/possible", "r");
	if (!file)
		give_up(KSFT_FAIL, "/sys/devices/system/cpu/possible: %s: is sysfs mounted?",
			strerror(errno));
	switch (fscanf(file, "%u-%u", &first, &last)) {
	case 1:
		cpus = first + 1;
		break;
	case 2:
		cpus = last + 1;
		break;
	default:
		give_up(KSFT_FAIL, "/sys/devices/system/cpu/possible: not a range");
	}
	fclose(file);
	return cpus;
}

static int map_create(enum bpf_map_type type, unsigned int number, unsigned int flags)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = sizeof(uint64_t);
	attr.max_entries = number;
	attr.map_flags = flags;
	fd = sys_bpf(BPF_MAP_CREATE, &attr);
	if (fd < 0)
		give_up(KSFT_FAIL, "bpf(BPF_MAP_CREATE): %s: needs root and CONFIG_BPF_SYSCALL",
			strerror(errno));
	return fd;
}

int counters_create(unsigned int number)
{
	return map_create(BPF_MAP_TYPE_PERCPU_ARRAY, number, 0);
}

int counters_create_mapped(unsigned int number, const uint64_t **values)
{
	int counters = map_create(BPF_MAP_TYPE_ARRAY, number, BPF_F_MMAPABLE);

	*values = mmap(NULL, number * sizeof(**values), PROT_READ, MAP_SHARED, counters, 0);
	if (*values == MAP_FAILED)
		give_up(KSFT_FAIL, "mmap of a BPF map: %s", strerror(errno));
	return counters;
}

uint64_t counters_read(int counters, unsigned int index)
{
	uint64_t sum = 0, *values;
	unsigned int cpu, cpus = possible_cpus();
	uint32_t key = index;
	union bpf_attr attr;

	values = calloc(cpus, sizeof(*values));
	if (!values)
		give_up(KSFT_FAIL, "no memory for %u counters", cpus);

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = counters;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)values;
	if (sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr))
		give_up(KSFT_FAIL, "bpf(BPF_MAP_LOOKUP_ELEM): %s", strerror(errno));

	for (cpu = 0; cpu < cpus; cpu++)
		sum += values[cpu];
	free(values);
	return sum;
}

uint64_t counters_wait_for(int counters, unsigned int index, uint64_t least)
{
	uint64_t seen;

	while ((seen = counters_read(counters, index)) < least)
		give_way();
	return seen;
}

/* @refused: what to do when the verifier does not let such programs through */
static int program_load(const struct bpf_insn *insns, unsigned int number,
			enum bpf_attach_type type, int refused)
{
	static char log[16384];
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_KPROBE;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = number;
	attr.license = (uintptr_t)"GPL";
	attr.expected_attach_type = type;
	fd = sys_bpf(BPF_PROG_LOAD, &attr);
	if (fd >= 0)
		return fd;

	/* Once more, to hear the reason from the verifier */
	attr.log_buf = (uintptr_t)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	fd = sys_bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0 && errno == EACCES && refused == KSFT_SKIP)
		give_up(KSFT_SKIP, "this kernel's BPF programs may not change registers");
	if (fd < 0)
		give_up(KSFT_FAIL,
			"bpf(BPF_PROG_LOAD): %s: needs root and CONFIG_BPF_EVENTS; verifier: %s",
			strerror(errno), log[0] ? log : "(silent)");
	return fd;
}

#define INSN(op, dst, src, offset, immediate)				\
	{ .code = (op), .dst_reg = (dst), .src_reg = (src),		\
	  .off = (offset), .imm = (immediate) }

int program_empty(void)
{
	static const struct bpf_insn insns[] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return program_load(insns, ARRAY_SIZE(insns), 0, KSFT_FAIL);
}

#if defined(__x86_64__)
#define REGISTER_ARGUMENT	offsetof(struct pt_regs, rdi)
#define REGISTER_IP		offsetof(struct pt_regs, rip)
#elif defined(__aarch64__)
#define REGISTER_ARGUMENT	offsetof(struct user_pt_regs, regs[0])
#define REGISTER_IP		offsetof(struct user_pt_regs, pc)
#elif defined(__riscv)
#define REGISTER_ARGUMENT	offsetof(struct user_regs_struct, a0)
#define REGISTER_IP		offsetof(struct user_regs_struct, pc)
#endif

/**
 * struct program - a program that counts
 * @type: how it is attached
 * @counters: the map
 * @index: of the counter, or INDEX_IS_COOKIE
 * @changed: the register that is changed, by its offset in the context
 * @addend: what is added to that register; 0 leaves all registers alone
 */
struct program {
	enum bpf_attach_type type;
	int counters;
	unsigned int index;
	int16_t changed;
	int addend;
};

/* Each probe of a link has a cookie. */
#define INDEX_IS_COOKIE	UINT_MAX

static int program_add(const struct program *program)
{
	const struct bpf_insn begin[] = {
		/* the context is lost by calls */
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0),
	};
	const struct bpf_insn take_index[] = {
		INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, program->index),
	};
	const struct bpf_insn take_cookie[] = {
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_attach_cookie),
		INSN(BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, BPF_REG_0, -4, 0),
	};
	const struct bpf_insn count[] = {
		/* r0 = &counters[index] */
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0,
		     program->counters),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0),
		/*
		 * An atomic addition, though the counter is this CPU's own: the
		 * program may be preempted by a task that hits the same probe.
		 */
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0,
		     BPF_ADD),
	};
	const struct bpf_insn change[] = {
		/* r6 is the context, struct pt_regs */
		INSN(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_6,
		     program->changed, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, program->addend),
		INSN(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_6, BPF_REG_1,
		     program->changed, 0),
	};
	const struct bpf_insn end[] = {
		/* return 0: no perf sample wanted */
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	bool by_cookie = program->index == INDEX_IS_COOKIE;
	const struct {
		const struct bpf_insn *insns;
		unsigned int number;
	} parts[] = {
		{ begin, ARRAY_SIZE(begin) },
		{ take_index, by_cookie ? 0 : ARRAY_SIZE(take_index) },
		{ take_cookie, by_cookie ? ARRAY_SIZE(take_cookie) : 0 },
		{ count, ARRAY_SIZE(count) },
		{ change, program->addend ? ARRAY_SIZE(change) : 0 },
		{ end, ARRAY_SIZE(end) },
	};
	struct bpf_insn insns[32];
	unsigned int number = 0, i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		memcpy(insns + number, parts[i].insns,
		       parts[i].number * sizeof(*insns));
		number += parts[i].number;
	}
	return program_load(insns, number, program->type,
			    program->addend ? KSFT_SKIP : KSFT_FAIL);
}

int program_count(int counters, unsigned int index)
{
	return program_add(&(struct program){ .counters = counters, .index = index });
}

int program_corrupt(int counters, unsigned int index)
{
	return program_add(&(struct program){
		.counters = counters, .index = index,
		.changed = REGISTER_ARGUMENT, .addend = 8,
	});
}

int program_jump(int counters, unsigned int index, int distance)
{
	return program_add(&(struct program){
		.counters = counters, .index = index,
		.changed = REGISTER_IP, .addend = distance,
	});
}

/* Reads the number that follows @prefix in a file of the uprobe PMU. */
static unsigned int pmu_number(const char *path, const char *format)
{
	unsigned int number;
	FILE *file = fopen(path, "r");

	if (!file)
		give_up(KSFT_SKIP, "%s: %s: needs CONFIG_UPROBE_EVENTS and a mounted sysfs",
			path, strerror(errno));
	if (fscanf(file, format, &number) != 1)
		give_up(KSFT_FAIL, "%s: not as expected (%s)", path, format);
	fclose(file);
	return number;
}

void find_program(const char *name, char *path, size_t size)
{
	ssize_t length = readlink(EXECUTABLE, path, size - 1);

	if (length < 0)
		give_up(KSFT_FAIL, EXECUTABLE ": %s", strerror(errno));
	path[length] = 0;
	dirname(path);
	if (strlen(path) + 1 + strlen(name) >= size)
		give_up(KSFT_FAIL, "%s: its path is too long", name);
	strcat(path, "/");
	strcat(path, name);
}

uint64_t probe_file_offset(const void *address)
{
	uintptr_t start, end, wanted = (uintptr_t)address;
	FILE *file = fopen("/proc/self/maps", "r");
	uint64_t offset, found = UINT64_MAX;
	char line[512];

	if (!file)
		give_up(KSFT_FAIL, "/proc/self/maps: %s: is proc mounted?",
			strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %" SCNx64,
			   &start, &end, &offset) == 3 &&
		    start <= wanted && wanted < end)
			found = offset + wanted - start;
	fclose(file);
	if (found == UINT64_MAX)
		give_up(KSFT_FAIL, "%p: not mapped", address);
	return found;
}

/* Opens an event without a program; -1 if the kernel refuses it. */
static int event_open(const struct probe_at *at)
{
	struct perf_event_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.type = pmu_number(PMU "/type", "%u");
	if (at->on_return)
		attr.config |= 1ULL << pmu_number(PMU "/format/retprobe", "config:%u");
	if (at->ref_ctr_offset)
		attr.config |= at->ref_ctr_offset <<
			pmu_number(PMU "/format/ref_ctr_offset", "config:%u");
	attr.uprobe_path = (uintptr_t)at->path;
	attr.probe_offset = at->offset;

	/* Any CPU will do: the program runs on whichever has the hit. */
	return syscall(__NR_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
}

int probe_refusal_at(const struct probe_at *at)
{
	int event = event_open(at);

	if (event < 0)
		return errno;
	close(event);
	return 0;
}

int probe_attach_at(const struct probe_at *at, int program)
{
	int event = event_open(at);

	if (event < 0)
		give_up(KSFT_FAIL,
			"perf_event_open(uprobe at %#" PRIx64 " of %s): error %d (%s): needs root",
			at->offset, at->path, errno, strerror(errno));
	if (ioctl(event, PERF_EVENT_IOC_SET_BPF, program))
		give_up(KSFT_FAIL, "ioctl(PERF_EVENT_IOC_SET_BPF): %s: needs CONFIG_BPF_EVENTS",
			strerror(errno));
	return event;
}

int probe_attach(const void *address, int program)
{
	struct probe_at at = {
		.path = EXECUTABLE,
		.offset = probe_file_offset(address),
	};

	return probe_attach_at(&at, program);
}

int probe_attach_return(const void *address, int program)
{
	struct probe_at at = {
		.path = EXECUTABLE,
		.offset = probe_file_offset(address),
		.on_return = true,
	};

	return probe_attach_at(&at, program);
}

/* @cookies: one for each offset, or NULL */
static int link_offsets(const char *path, const uint64_t *offsets, unsigned int number,
			int counters, unsigned int index, const uint64_t *cookies,
			bool on_return)
{
	const struct program program = {
		.type = BPF_TRACE_UPROBE_MULTI, .counters = counters, .index = index,
	};
	union bpf_attr attr;
	int link;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = program_add(&program);
	attr.link_create.attach_type = BPF_TRACE_UPROBE_MULTI;
	attr.link_create.uprobe_multi.path = (uintptr_t)path;
	attr.link_create.uprobe_multi.offsets = (uintptr_t)offsets;
	attr.link_create.uprobe_multi.cookies = (uintptr_t)cookies;
	attr.link_create.uprobe_multi.cnt = number;
	if (on_return)
		attr.link_create.uprobe_multi.flags = BPF_F_UPROBE_MULTI_RETURN;
	link = sys_bpf(BPF_LINK_CREATE, &attr);
	if (link < 0)
		give_up(KSFT_FAIL, "bpf(BPF_LINK_CREATE, %u uprobes): %s", number,
			strerror(errno));
	close(attr.link_create.prog_fd);
	return link;
}

static uint64_t *numbers(unsigned int number)
{
	uint64_t *numbers = calloc(number, sizeof(*numbers));

	if (!numbers)
		give_up(KSFT_FAIL, "no memory for %u probes", number);
	for (unsigned int i = 0; i < number; i++)
		numbers[i] = i;
	return numbers;
}

static uint64_t *file_offsets(const void * const *addresses, unsigned int number)
{
	uint64_t *offsets = numbers(number);

	for (unsigned int i = 0; i < number; i++)
		offsets[i] = probe_file_offset(addresses[i]);
	return offsets;
}

int probe_attach_many(const void * const *addresses, unsigned int number,
		      int counters, unsigned int index)
{
	uint64_t *offsets = file_offsets(addresses, number);
	int link = link_offsets(EXECUTABLE, offsets, number, counters, index, NULL, false);

	free(offsets);
	return link;
}

static int link_each(const char *path, const uint64_t *offsets, unsigned int number,
		     int counters, bool on_return)
{
	uint64_t *cookies = numbers(number);
	int link = link_offsets(path, offsets, number, counters, INDEX_IS_COOKIE, cookies,
				on_return);

	free(cookies);
	return link;
}

int probe_attach_each_at(const char *path, const uint64_t *offsets, unsigned int number,
			 int counters)
{
	return link_each(path, offsets, number, counters, false);
}

int probe_attach_each(const void * const *addresses, unsigned int number,
		      int counters)
{
	uint64_t *offsets = file_offsets(addresses, number);
	int link = link_each(EXECUTABLE, offsets, number, counters, false);

	free(offsets);
	return link;
}

int probe_attach_each_return(const void * const *addresses, unsigned int number,
			     int counters)
{
	uint64_t *offsets = file_offsets(addresses, number);
	int link = link_each(EXECUTABLE, offsets, number, counters, true);

	free(offsets);
	return link;
}

bool xol_mappings_find(pid_t pid, struct xol_mappings *mappings)
{
	char line[512];
	FILE *file;

	snprintf(line, sizeof(line), "/proc/%d/maps", pid);
	file = fopen(line, "r");
	if (!file)
		give_up(KSFT_FAIL, "%s: %s: is proc mounted?", line, strerror(errno));
	mappings->number = 0;
	while (fgets(line, sizeof(line), file)) {
		struct xol_mapping *mapping = &mappings->of[mappings->number];

		if (!strstr(line, "[uprobes]"))
			continue;
		if (mappings->number == XOL_MAPPINGS)
			give_up(KSFT_FAIL, "more than %u mappings [uprobes]", XOL_MAPPINGS);
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &mapping->start, &mapping->end) == 2)
			mappings->number++;
	}
	fclose(file);
	return mappings->number;
}

bool xol_area_range(pid_t pid, uintptr_t *start, uintptr_t *end)
{
	struct xol_mappings mappings;

	if (!xol_mappings_find(pid, &mappings))
		return false;
	*start = mappings.of[0].start;
	*end = mappings.of[0].end;
	return true;
}

bool xol_area_mapped(void)
{
	uintptr_t start, end;

	return xol_area_range(getpid(), &start, &end);
}

static bool too_long;

bool isolated_took_too_long(void)
{
	return too_long;
}

int run_isolated(int (*test)(const void *argument), const void *argument,
		 unsigned int seconds)
{
	struct pollfd child = { .events = POLLIN };
	bool late;
	int status;
	pid_t pid;

	too_long = false;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		give_up(KSFT_FAIL, "fork: %s", strerror(errno));
	if (!pid) {
		int result;

		setpgid(0, 0);
		result = test(argument);
		fflush(stdout);
		_exit(result);
	}

	child.fd = syscall(__NR_pidfd_open, pid, 0);
	if (child.fd < 0)
		give_up(KSFT_FAIL, "pidfd_open: %s", strerror(errno));
	late = poll(&child, 1, seconds * 1000) != 1;
	if (late) {
		ksft_print_msg("not done after %u s, killed\n", seconds);
		/* the group is there only when the child got that far */
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		poll(&child, 1, DYING * 1000);
	}
	close(child.fd);

	switch (waitpid(pid, &status, WNOHANG)) {
	case 0:
		ksft_print_msg("process %d cannot be killed\n", pid);
		return KSFT_FAIL;
	case -1:
		give_up(KSFT_FAIL, "waitpid: %s", strerror(errno));
	}
	if (WIFSIGNALED(status)) {
		too_long = late && WTERMSIG(status) == SIGKILL;
		ksft_print_msg("died of signal %d (%s)\n", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
		return KSFT_FAIL;
	}
	return WEXITSTATUS(status);
}

bool exits_with(pid_t pid, int code)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == code;
}

bool ends_within(pid_t pid, int counters, unsigned int number, uint64_t most, int *status)
{
	uint64_t hits;
	pid_t ended;

	do {
		give_way();
		ended = waitpid(pid, status, WNOHANG);
		hits = 0;
		for (unsigned int i = 0; i < number; i++)
			hits += counters_read(counters, i);
	} while (!ended && hits < most);
	if (ended)
		return ended == pid;
	if (kill(pid, SIGKILL) || waitpid(pid, status, 0) != pid)
		give_up(KSFT_FAIL, "process %d: %s", pid, strerror(errno));
	return false;
}
