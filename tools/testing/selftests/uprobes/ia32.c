// SPDX-License-Identifier: GPL-2.0
/*
 * 32-bit code on an x86-64 kernel, in programs of its own: instructions that step, that
 * are emulated, and that 64-bit code does not have, and a return; an address space with
 * little room; and a file that 64-bit and 32-bit processes share.
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "ia32.h"
#include "probe.h"
#include "threads.h"

#define PROGRAM		"ia32_program"
#define MEMORY_PROGRAM	"ia32_memory"
#define SITE		"site_"
#define ON_RETURN	"return_"
#define MAX_SITES	32
#define TIME_LIMIT	120

/* The instructions of a program that are probed */
struct sites {
	char path[PATH_MAX];
	int counters;
	unsigned int number;
	struct site {
		char name[32];
		int probe;
	} sites[MAX_SITES];
};

/* Where an address is in the file */
static uint64_t file_offset(const Elf32_Ehdr *elf, Elf32_Addr address)
{
	const Elf32_Phdr *segment = (void *)elf + elf->e_phoff;

	for (unsigned int i = 0; i < elf->e_phnum; i++, segment++)
		if (segment->p_type == PT_LOAD && segment->p_vaddr <= address &&
		    address < segment->p_vaddr + segment->p_filesz)
			return segment->p_offset + address - segment->p_vaddr;
	return 0;
}

static bool begins_with(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

/* The program is not mapped: its breakpoints would be analyzed as 64-bit code here. */
static const Elf32_Ehdr *read_program(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	Elf32_Ehdr *elf;
	struct stat stat;

	if (file < 0 || fstat(file, &stat))
		ksft_exit_fail_perror(path);
	elf = malloc(stat.st_size);
	if (!elf || read(file, elf, stat.st_size) != stat.st_size)
		ksft_exit_fail_perror(path);
	close(file);
	if (elf->e_machine != EM_386)
		ksft_exit_fail_msg("%s: not a 32-bit program\n", path);
	return elf;
}

/* Attaches to all instructions of a program that its symbols tell of. */
static void attach_sites(struct sites *sites, const char *program)
{
	const Elf32_Shdr *sections;
	const Elf32_Ehdr *elf;

	find_program(program, sites->path, sizeof(sites->path));
	elf = read_program(sites->path);
	sites->counters = counters_create(MAX_SITES);
	sections = (void *)elf + elf->e_shoff;
	for (unsigned int i = 0; i < elf->e_shnum; i++) {
		const Elf32_Sym *symbol = (void *)elf + sections[i].sh_offset;
		const char *names;

		if (sections[i].sh_type != SHT_SYMTAB)
			continue;
		names = (void *)elf + sections[sections[i].sh_link].sh_offset;
		for (unsigned int j = 0; j < sections[i].sh_size / sizeof(*symbol); j++) {
			const char *name = names + symbol[j].st_name;
			struct probe_at at = {
				.path = sites->path,
				.offset = file_offset(elf, symbol[j].st_value),
				.on_return = begins_with(name, ON_RETURN),
			};
			struct site *site = &sites->sites[sites->number];

			if (!at.on_return && !begins_with(name, SITE))
				continue;
			if (sites->number == MAX_SITES)
				ksft_exit_fail_msg("%s: too many symbols\n", program);
			snprintf(site->name, sizeof(site->name), "%s", name);
			site->probe = probe_attach_at(&at, program_count(sites->counters,
									 sites->number));
			sites->number++;
		}
	}
	if (!sites->number)
		ksft_exit_fail_msg("%s: no symbols\n", program);
	free((void *)elf);
}

static void detach_sites(struct sites *sites)
{
	for (unsigned int i = 0; i < sites->number; i++)
		close(sites->sites[i].probe);
}

/* Executes a program in this process, which has been forked for that. */
__noreturn static void execute(const char *path, const char *first, const char *second)
{
	execl(path, path, first, second, NULL);
	_exit(errno == ENOEXEC ? KSFT_SKIP : KSFT_FAIL);
}

FIXTURE(ia32) {
	struct sites sites;
};

FIXTURE_SETUP(ia32)
{
	attach_sites(&self->sites, PROGRAM);
}

FIXTURE_TEARDOWN(ia32)
{
	detach_sites(&self->sites);
}

TEST_F_TIMEOUT(ia32, same_effect_exactly_once, TIME_LIMIT)
{
	uintptr_t start, end;
	pid_t pid;
	int status;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		execute(self->sites.path, NULL, NULL);
	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == KSFT_SKIP)
		SKIP(return, "no 32-bit programs, needs CONFIG_IA32_EMULATION");
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_TRUE(xol_area_range(pid, &start, &end));
	EXPECT_LT(end, 1UL << 32);

	ASSERT_EQ(kill(pid, SIGCONT), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 0);
	for (unsigned int i = 0; i < self->sites.number; i++) {
		EXPECT_EQ(counters_read(self->sites.counters, i), IA32_ROUNDS) {
			TH_LOG("probe %s", self->sites.sites[i].name);
		}
	}
}

/* An address space with little room */

/* Hits of an instruction that cannot be executed, and is tried again and again */
#define ENDLESS		1000

FIXTURE(hole) {
	struct sites sites;
};

FIXTURE_VARIANT(hole) {
	const char *pages;
	/* Whether there is none, so that no instruction can be executed out of line */
	bool none;
};

FIXTURE_VARIANT_ADD(hole, of_1_page) { .pages = "1" };
FIXTURE_VARIANT_ADD(hole, of_2_pages) { .pages = "2" };
FIXTURE_VARIANT_ADD(hole, of_15_pages) { .pages = "15" };
FIXTURE_VARIANT_ADD(hole, of_63_pages) { .pages = "63" };
FIXTURE_VARIANT_ADD(hole, of_64_pages) { .pages = "64" };
FIXTURE_VARIANT_ADD(hole, of_no_page) { .pages = "0", .none = true };

FIXTURE_SETUP(hole)
{
	attach_sites(&self->sites, MEMORY_PROGRAM);
}

FIXTURE_TEARDOWN(hole)
{
	detach_sites(&self->sites);
}

/*
 * Checks that probed instructions are executed, once for each hit, when all that is
 * free of the address space is a hole of a few pages. Without any hole the first hit is
 * repeated, and the process can be killed.
 */
TEST_F_TIMEOUT(hole, is_enough, TIME_LIMIT)
{
	bool ended;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		execute(self->sites.path, IA32_IN_HOLE, variant->pages);
	ended = ends_within(pid, self->sites.counters, self->sites.number, ENDLESS, &status);
	if (WIFEXITED(status) && WEXITSTATUS(status) == KSFT_SKIP)
		SKIP(return, "no 32-bit programs, needs CONFIG_IA32_EMULATION");
	if (variant->none) {
		EXPECT_FALSE(ended);
		EXPECT_TRUE(WIFSIGNALED(status));
		return;
	}
	EXPECT_TRUE(ended)
		TH_LOG("the first hit is repeated without end");
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 0);
	for (unsigned int i = 0; i < self->sites.number; i++) {
		EXPECT_EQ(counters_read(self->sites.counters, i), IA32_HITS) {
			TH_LOG("probe %s", self->sites.sites[i].name);
		}
	}
}

/* A file that 64-bit and 32-bit processes share */

FIXTURE(shared_file) {
	char program[PATH_MAX];
	char path[32];
	int counters;
	int probe;
};

FIXTURE_VARIANT(shared_file) {
	/* Whether a 64-bit process is the first to have the file's breakpoint */
	bool first_by_64_bit;
};

FIXTURE_VARIANT_ADD(shared_file, first_by_64_bit) { .first_by_64_bit = true };
FIXTURE_VARIANT_ADD(shared_file, first_by_32_bit) { .first_by_64_bit = false };

FIXTURE_SETUP(shared_file)
{
	static const uint8_t bytes[] = IA32_FILE_BYTES;
	int file;

	find_program(MEMORY_PROGRAM, self->program, sizeof(self->program));
	strcpy(self->path, "/tmp/uprobes-XXXXXX");
	file = mkstemp(self->path);
	ASSERT_GE(file, 0);
	ASSERT_EQ(ftruncate(file, sysconf(_SC_PAGESIZE)), 0);
	ASSERT_EQ(pwrite(file, bytes, sizeof(bytes), 0), sizeof(bytes));
	close(file);
	self->counters = counters_create(1);
}

FIXTURE_TEARDOWN(shared_file)
{
	unlink(self->path);
}

/* With an area if the instruction was executed out of line */
static int call_as_64_bit(const void *argument)
{
	int file = open(argument, O_RDONLY | O_CLOEXEC);
	void *code = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_EXEC, MAP_PRIVATE,
			  file, 0);
	uint32_t result;

	if (code == MAP_FAILED)
		return KSFT_FAIL;
	/* the call may use what is below the stack pointer */
	asm volatile("sub $128, %%rsp\n\t"
		     "call *%1\n\t"
		     "add $128, %%rsp"
		     : "=a" (result)
		     : "r" (code), "S" (IA32_FILE_ESI)
		     : "memory", "cc");
	if (result != IA32_FILE_RESULT_64)
		ksft_print_msg("eax is %#x, not %#x\n", result, IA32_FILE_RESULT_64);
	return result == IA32_FILE_RESULT_64 && xol_area_mapped() ? KSFT_PASS : KSFT_FAIL;
}

struct shared {
	const char *program, *path;
};

static int call_as_32_bit(const void *argument)
{
	const struct shared *shared = argument;

	execute(shared->program, IA32_IN_FILE, shared->path);
}

/*
 * Checks that a probed instruction is executed with all its bytes in 64-bit and in
 * 32-bit processes, where it has another length, whichever of them is the first to map
 * it. Processes come after each other, the file is not mapped otherwise.
 */
TEST_F_TIMEOUT(shared_file, executed_whole, TIME_LIMIT)
{
	struct probe_at at = { .path = self->path };
	struct shared shared = { self->program, self->path };
	int result;

	/* without a probe */
	result = run_isolated(call_as_32_bit, &shared, TIME_LIMIT);
	if (result == KSFT_SKIP)
		SKIP(return, "no 32-bit programs, needs CONFIG_IA32_EMULATION");
	ASSERT_EQ(result, KSFT_PASS);

	self->probe = probe_attach_at(&at, program_count(self->counters, 0));
	for (unsigned int i = 0; i < 4; i++) {
		if (variant->first_by_64_bit == !(i % 2)) {
			EXPECT_EQ(run_isolated(call_as_64_bit, self->path, TIME_LIMIT),
				  KSFT_PASS)
				TH_LOG("process %u, of 64 bits", i);
		} else {
			EXPECT_EQ(run_isolated(call_as_32_bit, &shared, TIME_LIMIT),
				  KSFT_PASS)
				TH_LOG("process %u, of 32 bits", i);
		}
		EXPECT_EQ(counters_read(self->counters, 0), i + 1);
	}
	close(self->probe);
}

TEST_HARNESS_MAIN
