// SPDX-License-Identifier: GPL-2.0
/*
 * 32-bit code on an x86-64 kernel: instructions that step, that are emulated,
 * and that 64-bit code does not have, and a return, in a program of its own.
 */
#include <elf.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "ia32.h"
#include "probe.h"

#define PROGRAM		"ia32_program"
#define SITE		"site_"
#define ON_RETURN	"return_"
#define MAX_SITES	32
#define TIME_LIMIT	120

FIXTURE(ia32) {
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

FIXTURE_SETUP(ia32)
{
	const Elf32_Shdr *sections;
	const Elf32_Ehdr *elf;
	struct stat stat;
	ssize_t length;
	int file;

	length = readlink(EXECUTABLE, self->path, sizeof(self->path) - 1);
	ASSERT_GT(length, 0);
	self->path[length] = 0;
	dirname(self->path);
	ASSERT_LT(strlen(self->path) + sizeof("/" PROGRAM), sizeof(self->path));
	strcat(self->path, "/" PROGRAM);

	file = open(self->path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(file, 0)
		TH_LOG("%s: %s", self->path, strerror(errno));
	ASSERT_EQ(fstat(file, &stat), 0);
	/* mapped, it would have its breakpoints analyzed as 64-bit code here */
	elf = malloc(stat.st_size);
	ASSERT_NE(elf, NULL);
	ASSERT_EQ(read(file, (void *)elf, stat.st_size), stat.st_size);
	close(file);
	ASSERT_EQ(elf->e_machine, EM_386);

	self->counters = counters_create(MAX_SITES);
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
				.path = self->path,
				.offset = file_offset(elf, symbol[j].st_value),
				.on_return = begins_with(name, ON_RETURN),
			};

			if (!at.on_return && !begins_with(name, SITE))
				continue;
			ASSERT_LT(self->number, MAX_SITES);
			snprintf(self->sites[self->number].name,
				 sizeof(self->sites[0].name), "%s", name);
			self->sites[self->number].probe =
				probe_attach_at(&at, program_count(self->counters,
								   self->number));
			self->number++;
		}
	}
	ASSERT_GT(self->number, 0);
	free((void *)elf);
}

FIXTURE_TEARDOWN(ia32)
{
	for (unsigned int i = 0; i < self->number; i++)
		close(self->sites[i].probe);
}

TEST_F_TIMEOUT(ia32, same_effect_exactly_once, TIME_LIMIT)
{
	uintptr_t start, end;
	pid_t pid;
	int status;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		execl(self->path, self->path, NULL);
		_exit(errno == ENOEXEC ? KSFT_SKIP : KSFT_FAIL);
	}
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
	for (unsigned int i = 0; i < self->number; i++) {
		EXPECT_EQ(counters_read(self->counters, i), IA32_ROUNDS) {
			TH_LOG("probe %s", self->sites[i].name);
		}
	}
}

TEST_HARNESS_MAIN
