// SPDX-License-Identifier: GPL-2.0
/*
 * A 32-bit program without a C library, which does one of two things and exits with 0
 * if that went well:
 *
 * ia32_memory hole PAGES
 *	fills its address space but for a hole, and executes the instructions at the
 *	symbols site_*, IA32_HITS times each
 * ia32_memory file PATH
 *	executes the code that a file begins with, see IA32_FILE_BYTES
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ia32.h"

#define SYS_EXIT	1
#define SYS_OPEN	5
#define SYS_MUNMAP	91
#define SYS_MMAP2	192

#define PROT_NONE	0
#define PROT_READ	1
#define PROT_EXEC	4
#define MAP_PRIVATE	0x02
#define MAP_ANONYMOUS	0x20
#define MAP_NORESERVE	0x4000

#define PAGE_SIZE	4096UL
#define BIGGEST		(1UL << 31)
/* A mapping in which any hole fits */
#define ROOM		(1UL << 20)

static long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	long result;

	/* the sixth argument's register is the compiler's */
	asm volatile("push %[f]\n\t"
		     "push %%ebp\n\t"
		     "mov 4(%%esp), %%ebp\n\t"
		     "int $0x80\n\t"
		     "pop %%ebp\n\t"
		     "add $4, %%esp"
		     : "=a" (result)
		     : "0" (number), "b" (a), "c" (b), "d" (c), "S" (d), "D" (e), [f] "m" (f)
		     : "memory", "cc");
	return result;
}

static bool is_error(long result)
{
	return (unsigned long)result >= -4095UL;
}

static long map(size_t size, int protection, int flags, int file)
{
	return syscall6(SYS_MMAP2, 0, size, protection, MAP_PRIVATE | flags, file, 0);
}

static unsigned int number(const char *text)
{
	unsigned int value = 0;

	while (*text)
		value = 10 * value + *text++ - '0';
	return value;
}

/* Executes each instruction once, and returns @argument. */
unsigned int sites(unsigned int argument);

asm("	.text\n"
	"	.globl site_load, site_lea, site_store\n"
	"sites:\n"
	"site_load:\n"
	"	mov	4(%esp), %eax\n"
	"site_lea:\n"
	"	lea	8(%eax), %edx\n"
	"site_store:\n"
	"	mov	%edx, 4(%esp)\n"
	"	mov	4(%esp), %eax\n"
	"	sub	$8, %eax\n"
	"	ret\n");

static bool call_in_hole(unsigned int pages)
{
	long mapping, room = 0;

	for (size_t size = BIGGEST; size >= PAGE_SIZE; size /= 2) {
		while (!is_error(mapping = map(size, PROT_NONE,
					       MAP_ANONYMOUS | MAP_NORESERVE, -1)))
			if (size >= ROOM)
				room = mapping;
	}
	if (!room)
		return false;
	if (pages && syscall6(SYS_MUNMAP, room + ROOM / 2, pages * PAGE_SIZE, 0, 0, 0, 0))
		return false;
	for (unsigned int i = 0; i < IA32_HITS; i++)
		if (sites(i) != i)
			return false;
	return true;
}

static bool call_in_file(const char *path)
{
	long file = syscall6(SYS_OPEN, (long)path, 0, 0, 0, 0, 0), code;
	unsigned int result;

	if (is_error(file))
		return false;
	code = map(PAGE_SIZE, PROT_READ | PROT_EXEC, 0, file);
	if (is_error(code))
		return false;
	asm volatile("call *%1"
		     : "=a" (result)
		     : "r" (code), "S" (IA32_FILE_ESI)
		     : "memory", "cc");
	return result == IA32_FILE_RESULT;
}

static bool same(const char *one, const char *other)
{
	while (*one && *one == *other) {
		one++;
		other++;
	}
	return *one == *other;
}

/* @stack: the number of arguments, and then the arguments, the program's name first */
__attribute__((regparm(1))) void start(const long *stack)
{
	const char *what = (const char *)stack[2], *argument = (const char *)stack[3];
	bool done = false;

	if (stack[0] == 3 && same(what, IA32_IN_HOLE))
		done = call_in_hole(number(argument));
	else if (stack[0] == 3 && same(what, IA32_IN_FILE))
		done = call_in_file(argument);
	for (;;)
		syscall6(SYS_EXIT, !done, 0, 0, 0, 0, 0);
}

asm("	.globl _start\n"
	"_start:\n"
	"	mov	%esp, %eax\n"
	"	and	$-16, %esp\n"
	"	call	start\n");
