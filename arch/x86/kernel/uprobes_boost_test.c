// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of boosted uprobes: which instructions are boosted, and the contents of
 * their slots.
 *
 * Included by uprobes_boost.c.
 */
#include <kunit/test.h>
#include <linux/kdebug.h>

#include <asm/trapnr.h>

struct boost_case {
	const char	*name;
	u8		insn[MAX_INSN_SIZE];
	bool		boost;
};

/* Each row of boost_rules applies to at least one of the boosted instructions here. */
static const struct boost_case boost_cases[] = {
	{ "add %al,(%rdi)", { 0x00, 0x07 }, true },
	{ "add $1,%eax", { 0x83, 0xc0, 0x01 }, true },
	{ "or %rax,%rbx", { 0x48, 0x09, 0xc3 }, true },
	{ "or $1,%eax", { 0x83, 0xc8, 0x01 }, true },
	{ "adc %rax,(%rsp)", { 0x48, 0x11, 0x04, 0x24 }, true },
	{ "adc $1,%eax", { 0x83, 0xd0, 0x01 }, true },
	{ "sbb %rax,%rax", { 0x48, 0x19, 0xc0 }, true },
	{ "sbb $1,%eax", { 0x83, 0xd8, 0x01 }, true },
	{ "and %eax,%fs:0x28",
	  { 0x64, 0x21, 0x04, 0x25, 0x28, 0x00, 0x00, 0x00 }, true },
	{ "and $15,%al", { 0x24, 0x0f }, true },
	{ "sub %eax,%edx", { 0x29, 0xc2 }, true },
	{ "sub $1,%eax", { 0x83, 0xe8, 0x01 }, true },
	{ "xor %eax,%eax", { 0x31, 0xc0 }, true },
	{ "xor $1,%al", { 0x34, 0x01 }, true },
	{ "cmp %rsi,%rdi", { 0x48, 0x39, 0xf7 }, true },
	{ "cmp $1,%ax", { 0x66, 0x83, 0xf8, 0x01 }, true },
	{ "pop %rax", { 0x58 }, true },
	{ "pop %rsp", { 0x5c }, true },
	{ "pop %r15", { 0x41, 0x5f }, true },
	{ "movslq %edi,%rax", { 0x48, 0x63, 0xc7 }, true },
	{ "push $0x12345678", { 0x68, 0x78, 0x56, 0x34, 0x12 }, true },
	{ "imul $100000,(%rdi),%rax",
	  { 0x48, 0x69, 0x07, 0xa0, 0x86, 0x01, 0x00 }, true },
	{ "push $1", { 0x6a, 0x01 }, true },
	{ "imul $3,%rdi,%rdi", { 0x48, 0x6b, 0xff, 0x03 }, true },
	{ "addb $1,(%rax)", { 0x80, 0x00, 0x01 }, true },
	{ "cmpq $0x12345678,(%rdi)",
	  { 0x48, 0x81, 0x3f, 0x78, 0x56, 0x34, 0x12 }, true },
	{ "sub $0x12345678,%rsp",
	  { 0x48, 0x81, 0xec, 0x78, 0x56, 0x34, 0x12 }, true },
	{ "sub $24,%rsp", { 0x48, 0x83, 0xec, 0x18 }, true },
	{ "andw $-16,(%rdi)", { 0x66, 0x83, 0x27, 0xf0 }, true },
	{ "test %eax,%eax", { 0x85, 0xc0 }, true },
	{ "xchg %rax,(%rdi)", { 0x48, 0x87, 0x07 }, true },
	{ "mov %rsp,%rbp", { 0x48, 0x89, 0xe5 }, true },
	{ "mov %r8b,(%rdi,%rsi,4)", { 0x44, 0x88, 0x04, 0xb7 }, true },
	{ "mov 8(%edi),%eax", { 0x67, 0x8b, 0x47, 0x08 }, true },
	{ "mov %gs:0,%rax",
	  { 0x65, 0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x00, 0x00 }, true },
	{ "lea 8(%rdi),%rax", { 0x48, 0x8d, 0x47, 0x08 }, true },
	{ "xchg %rax,%rcx", { 0x48, 0x91 }, true },
	{ "cltq", { 0x48, 0x98 }, true },
	{ "cqto", { 0x48, 0x99 }, true },
	{ "sahf", { 0x9e }, true },
	{ "lahf", { 0x9f }, true },
	{ "movabs 0x1122334455667788,%al",
	  { 0xa0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 }, true },
	{ "movabs %rax,0x1122334455667788",
	  { 0x48, 0xa3, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 }, true },
	{ "test $1,%al", { 0xa8, 0x01 }, true },
	{ "test $1,%rax", { 0x48, 0xa9, 0x01, 0x00, 0x00, 0x00 }, true },
	{ "mov $1,%al", { 0xb0, 0x01 }, true },
	{ "movabs $0x1122334455667788,%r15",
	  { 0x49, 0xbf, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 }, true },
	{ "shlb $3,(%rdi)", { 0xc0, 0x27, 0x03 }, true },
	{ "sar $63,%rax", { 0x48, 0xc1, 0xf8, 0x3f }, true },
	{ "movb $1,(%rdi)", { 0xc6, 0x07, 0x01 }, true },
	{ "movq $1,(%rdi)",
	  { 0x48, 0xc7, 0x07, 0x01, 0x00, 0x00, 0x00 }, true },
	{ "leave", { 0xc9 }, true },
	{ "shlb $1,%al", { 0xd0, 0xe0 }, true },
	{ "sar %cl,%rax", { 0x48, 0xd3, 0xf8 }, true },
	{ "cmc", { 0xf5 }, true },
	{ "testb $1,(%rdi)", { 0xf6, 0x07, 0x01 }, true },
	{ "idivq (%rdi)", { 0x48, 0xf7, 0x3f }, true },
	{ "clc", { 0xf8 }, true },
	{ "stc", { 0xf9 }, true },
	{ "cld", { 0xfc }, true },
	{ "std", { 0xfd }, true },
	{ "incb (%rdi)", { 0xfe, 0x07 }, true },
	{ "decb %al", { 0xfe, 0xc8 }, true },
	{ "incq (%rdi)", { 0x48, 0xff, 0x07 }, true },
	{ "decl %eax", { 0xff, 0xc8 }, true },
	{ "push (%rdi)", { 0xff, 0x37 }, true },
	{ "movups (%rdi),%xmm0", { 0x0f, 0x10, 0x07 }, true },
	{ "movsd %xmm0,(%rdi)", { 0xf2, 0x0f, 0x11, 0x07 }, true },
	{ "movss (%rdi),%xmm15", { 0xf3, 0x44, 0x0f, 0x10, 0x3f }, true },
	{ "movupd %xmm0,(%rdi)", { 0x66, 0x0f, 0x11, 0x07 }, true },
	{ "movaps %xmm0,(%rsp)", { 0x0f, 0x29, 0x04, 0x24 }, true },
	{ "movapd (%rdi),%xmm1", { 0x66, 0x0f, 0x28, 0x0f }, true },
	{ "cvtsi2sd %rax,%xmm0", { 0xf2, 0x48, 0x0f, 0x2a, 0xc0 }, true },
	{ "cvttss2si %xmm0,%eax", { 0xf3, 0x0f, 0x2c, 0xc0 }, true },
	{ "cvtsd2si (%rdi),%rax", { 0xf2, 0x48, 0x0f, 0x2d, 0x07 }, true },
	{ "ucomiss %xmm0,%xmm1", { 0x0f, 0x2e, 0xc8 }, true },
	{ "comisd (%rdi),%xmm1", { 0x66, 0x0f, 0x2f, 0x0f }, true },
	{ "cmovo %eax,%ecx", { 0x0f, 0x40, 0xc8 }, true },
	{ "cmovg (%rdi),%rcx", { 0x48, 0x0f, 0x4f, 0x0f }, true },
	{ "sqrtsd %xmm0,%xmm0", { 0xf2, 0x0f, 0x51, 0xc0 }, true },
	{ "andps %xmm0,%xmm1", { 0x0f, 0x54, 0xc8 }, true },
	{ "xorpd %xmm0,%xmm0", { 0x66, 0x0f, 0x57, 0xc0 }, true },
	{ "addss %xmm0,%xmm1", { 0xf3, 0x0f, 0x58, 0xc8 }, true },
	{ "mulpd (%rdi),%xmm1", { 0x66, 0x0f, 0x59, 0x0f }, true },
	{ "cvtss2sd %xmm0,%xmm0", { 0xf3, 0x0f, 0x5a, 0xc0 }, true },
	{ "subsd %xmm0,%xmm1", { 0xf2, 0x0f, 0x5c, 0xc8 }, true },
	{ "maxps (%rdi),%xmm1", { 0x0f, 0x5f, 0x0f }, true },
	{ "movq %rax,%xmm0", { 0x66, 0x48, 0x0f, 0x6e, 0xc0 }, true },
	{ "movdqu (%rdi),%xmm0", { 0xf3, 0x0f, 0x6f, 0x07 }, true },
	{ "movdqa (%rdi),%xmm0", { 0x66, 0x0f, 0x6f, 0x07 }, true },
	{ "movq (%rdi),%xmm0", { 0xf3, 0x0f, 0x7e, 0x07 }, true },
	{ "movd %xmm0,%eax", { 0x66, 0x0f, 0x7e, 0xc0 }, true },
	{ "movdqa %xmm0,(%rdi)", { 0x66, 0x0f, 0x7f, 0x07 }, true },
	{ "movdqu %xmm0,(%rdi)", { 0xf3, 0x0f, 0x7f, 0x07 }, true },
	{ "seto %al", { 0x0f, 0x90, 0xc0 }, true },
	{ "setg (%rdi)", { 0x0f, 0x9f, 0x07 }, true },
	{ "bt %rax,(%rdi)", { 0x48, 0x0f, 0xa3, 0x07 }, true },
	{ "shld %cl,%rax,(%rdi)", { 0x48, 0x0f, 0xa5, 0x07 }, true },
	{ "bts %rax,(%rdi)", { 0x48, 0x0f, 0xab, 0x07 }, true },
	{ "shrd %cl,%rax,%rdx", { 0x48, 0x0f, 0xad, 0xc2 }, true },
	{ "imul (%rdi),%rax", { 0x48, 0x0f, 0xaf, 0x07 }, true },
	{ "btr %rax,(%rdi)", { 0x48, 0x0f, 0xb3, 0x07 }, true },
	{ "movzbl (%rdi),%eax", { 0x0f, 0xb6, 0x07 }, true },
	{ "movzwl %ax,%eax", { 0x0f, 0xb7, 0xc0 }, true },
	{ "popcnt %rax,%rax", { 0xf3, 0x48, 0x0f, 0xb8, 0xc0 }, true },
	{ "bt $3,%rax", { 0x48, 0x0f, 0xba, 0xe0, 0x03 }, true },
	{ "btcq $3,(%rdi)", { 0x48, 0x0f, 0xba, 0x3f, 0x03 }, true },
	{ "btc %rax,(%rdi)", { 0x48, 0x0f, 0xbb, 0x07 }, true },
	{ "bsf %rax,%rcx", { 0x48, 0x0f, 0xbc, 0xc8 }, true },
	{ "tzcnt %rax,%rcx", { 0xf3, 0x48, 0x0f, 0xbc, 0xc8 }, true },
	{ "lzcnt (%rdi),%rax", { 0xf3, 0x48, 0x0f, 0xbd, 0x07 }, true },
	{ "movsbl (%rdi),%eax", { 0x0f, 0xbe, 0x07 }, true },
	{ "movswq %ax,%rax", { 0x48, 0x0f, 0xbf, 0xc0 }, true },
	{ "bswap %eax", { 0x0f, 0xc8 }, true },
	{ "bswap %r15", { 0x49, 0x0f, 0xcf }, true },
	{ "movq %xmm0,(%rdi)", { 0x66, 0x0f, 0xd6, 0x07 }, true },
	{ "pxor %xmm0,%xmm0", { 0x66, 0x0f, 0xef, 0xc0 }, true },
	{ "add $1,%eax, long", { 0x05, 0x01, 0x00, 0x00, 0x00 }, true },
	{ "or $1,%eax, long", { 0x0d, 0x01, 0x00, 0x00, 0x00 }, true },
	{ "adc $1,%eax, long", { 0x15, 0x01, 0x00, 0x00, 0x00 }, true },
	{ "sbb $1,%eax, long", { 0x1d, 0x01, 0x00, 0x00, 0x00 }, true },
	{ "sub $1,%eax, long", { 0x2d, 0x01, 0x00, 0x00, 0x00 }, true },
	{ "cmp $1,%eax, long", { 0x3d, 0x01, 0x00, 0x00, 0x00 }, true },
	{ "decl %ecx, with data16", { 0x66, 0xff, 0xc9 }, true },
	{ "leave, as long as it can be", { 0x67, 0x67, 0x67, 0x67, 0x67, 0x67, 0x67,
	  0x67, 0x67, 0x67, 0x67, 0x67, 0x67, 0x67, 0xc9 }, true },
	{ "mov %ds,%eax", { 0x8c, 0xd8 }, true },
	{ "pop (%rdi)", { 0x8f, 0x07 }, true },
	{ "push %fs", { 0x0f, 0xa0 }, true },
	{ "pop %fs", { 0x0f, 0xa1 }, true },
	{ "enter $8,$0", { 0xc8, 0x08, 0x00, 0x00 }, true },
	{ "xlatb", { 0xd7 }, true },
	{ "fwait", { 0x9b }, true },
	{ "fld1", { 0xd9, 0xe8 }, true },
	{ "fnstenv (%rdi)", { 0xd9, 0x37 }, true },
	{ "fxsave (%rdi)", { 0x0f, 0xae, 0x07 }, true },
	{ "emms", { 0x0f, 0x77 }, true },
	{ "movq %rax,%mm0", { 0x48, 0x0f, 0x6e, 0xc0 }, true },
	{ "movq (%rdi),%mm0", { 0x0f, 0x6f, 0x07 }, true },
	{ "movsb", { 0xa4 }, true },
	{ "cmpsb", { 0xa6 }, true },
	{ "rep movsb", { 0xf3, 0xa4 }, true },
	{ "rep stosq", { 0xf3, 0x48, 0xab }, true },
	{ "repne scasb", { 0xf2, 0xae }, true },
	{ "lodsq", { 0x48, 0xad }, true },
	{ "lock incl (%rdi)", { 0xf0, 0xff, 0x07 }, true },
	{ "cpuid", { 0x0f, 0xa2 }, true },
	{ "rdtsc", { 0x0f, 0x31 }, true },
	{ "rdtscp", { 0x0f, 0x01, 0xf9 }, true },
	{ "rdpmc", { 0x0f, 0x33 }, true },
	{ "rdpkru", { 0x0f, 0x01, 0xee }, true },
	{ "wrpkru", { 0x0f, 0x01, 0xef }, true },
	{ "rdfsbase %rax", { 0xf3, 0x48, 0x0f, 0xae, 0xc0 }, true },
	{ "wrfsbase %rax", { 0xf3, 0x48, 0x0f, 0xae, 0xd0 }, true },
	{ "rdsspq %rax", { 0xf3, 0x48, 0x0f, 0x1e, 0xc8 }, true },
	{ "incsspq %rax", { 0xf3, 0x48, 0x0f, 0xae, 0xe8 }, true },
	{ "clflush (%rdi)", { 0x0f, 0xae, 0x3f }, true },
	{ "xsave (%rdi)", { 0x0f, 0xae, 0x27 }, true },
	{ "ldmxcsr (%rdi)", { 0x0f, 0xae, 0x17 }, true },
	{ "mfence", { 0x0f, 0xae, 0xf0 }, true },
	{ "lsl %ax,%eax", { 0x0f, 0x03, 0xc0 }, true },
	{ "rdrand %rax", { 0x48, 0x0f, 0xc7, 0xf0 }, true },
	{ "cmpxchg %rcx,(%rdi)", { 0x48, 0x0f, 0xb1, 0x0f }, true },
	{ "cmpxchg16b (%rdi)", { 0x48, 0x0f, 0xc7, 0x0f }, true },
	{ "xadd %rax,(%rdi)", { 0x48, 0x0f, 0xc1, 0x07 }, true },
	{ "pshufb %xmm0,%xmm1", { 0x66, 0x0f, 0x38, 0x00, 0xc8 }, true },
	{ "pshufd $1,%xmm0,%xmm1", { 0x66, 0x0f, 0x70, 0xc8, 0x01 }, true },
	{ "crc32b %al,%eax", { 0xf2, 0x0f, 0x38, 0xf0, 0xc0 }, true },
	{ "movbe (%rdi),%eax", { 0x0f, 0x38, 0xf0, 0x07 }, true },
	{ "pcmpistri $1,%xmm0,%xmm1",
	  { 0x66, 0x0f, 0x3a, 0x63, 0xc8, 0x01 }, true },
	{ "vmovaps %xmm0,(%rdi)", { 0xc5, 0xf8, 0x29, 0x07 }, true },
	{ "vzeroupper", { 0xc5, 0xf8, 0x77 }, true },
	{ "andn %rax,%rcx,%rdx", { 0xc4, 0xe2, 0xf0, 0xf2, 0xd0 }, true },
	{ "vaddps (%rdi),%ymm0,%ymm1", { 0xc5, 0xfc, 0x58, 0x0f }, true },
	{ "vmovdqu64 %zmm0,(%rdi)",
	  { 0x62, 0xf1, 0xfe, 0x48, 0x7f, 0x07 }, true },
	{ "pause", { 0xf3, 0x90 }, true },
	{ "endbr64 without f3", { 0x0f, 0x1e, 0xfa }, true },
	{ "pxor %mm0,%mm0", { 0x0f, 0xef, 0xc0 }, true },
	{ "movq2dq %mm0,%xmm0", { 0xf3, 0x0f, 0xd6, 0xc0 }, true },
	{ "cvtpi2ps %mm0,%xmm0", { 0x0f, 0x2a, 0xc0 }, true },
	{ "cvttps2pi %xmm0,%mm0", { 0x0f, 0x2c, 0xc0 }, true },
	{ "push %rax, REX.W", { 0x48, 0x50 }, true },
	{ "pushw %ax", { 0x66, 0x50 }, true },
	{ "movslq %edi,%rdi, data16", { 0x66, 0x63, 0xff }, true },
	{ "xchg %r8,%rax", { 0x49, 0x90 }, true },
	{ "sub %fs:0x28,%rax",
	  { 0x64, 0x48, 0x2b, 0x04, 0x25, 0x28, 0x00, 0x00, 0x00 }, true },
	{ "sub %eax,%edx, padded with cs", { 0x2e, 0x2e, 0x29, 0xc2 }, true },
	{ "faddl (%rdi)", { 0xdc, 0x07 }, true },
	{ "fnstsw %ax", { 0xdf, 0xe0 }, true },
	{ "prefetchw (%rdi)", { 0x0f, 0x0d, 0x0f }, true },
	{ "prefetcht0 (%rdi)", { 0x0f, 0x18, 0x0f }, true },
	{ "cldemote (%rdi)", { 0x0f, 0x1c, 0x07 }, true },
	{ "movmskpd %xmm0,%eax", { 0x66, 0x0f, 0x50, 0xc0 }, true },
	{ "psrldq $2,%xmm0", { 0x66, 0x0f, 0x73, 0xd8, 0x02 }, true },
	{ "haddps %xmm0,%xmm1", { 0xf2, 0x0f, 0x7c, 0xc8 }, true },
	{ "pop %gs", { 0x0f, 0xa9 }, true },
	{ "lfence", { 0x0f, 0xae, 0xe8 }, true },
	{ "sfence", { 0x0f, 0xae, 0xf8 }, true },
	{ "clwb (%rdi)", { 0x66, 0x0f, 0xae, 0x37 }, true },
	{ "umwait %ecx", { 0xf2, 0x0f, 0xae, 0xf1 }, true },
	{ "lock cmpxchg %cl,(%rdi)", { 0xf0, 0x0f, 0xb0, 0x0f }, true },
	{ "lock xadd %eax,(%rdi)", { 0xf0, 0x0f, 0xc1, 0x07 }, true },
	{ "lock cmpxchg16b (%rdi)", { 0xf0, 0x48, 0x0f, 0xc7, 0x0f }, true },
	{ "lock bts %eax,(%rdi)", { 0xf0, 0x0f, 0xab, 0x07 }, true },
	{ "lock orl $0,(%rsp)", { 0xf0, 0x83, 0x0c, 0x24, 0x00 }, true },
	{ "cmpltsd %xmm0,%xmm1", { 0xf2, 0x0f, 0xc2, 0xc8, 0x01 }, true },
	{ "movnti %rax,(%rdi)", { 0x48, 0x0f, 0xc3, 0x07 }, true },
	{ "pinsrw $1,%eax,%xmm0", { 0x66, 0x0f, 0xc4, 0xc0, 0x01 }, true },
	{ "shufps $1,%xmm0,%xmm1", { 0x0f, 0xc6, 0xc8, 0x01 }, true },
	{ "xsavec (%rdi)", { 0x0f, 0xc7, 0x27 }, true },
	{ "rdseed %ax", { 0x66, 0x0f, 0xc7, 0xf8 }, true },
	{ "rdpid %rax", { 0xf3, 0x0f, 0xc7, 0xf8 }, true },
	{ "lddqu (%rdi),%xmm0", { 0xf2, 0x0f, 0xf0, 0x07 }, true },
	{ "maskmovdqu %xmm0,%xmm1", { 0x66, 0x0f, 0xf7, 0xc8 }, true },
	{ "crc32w %ax,%eax", { 0x66, 0xf2, 0x0f, 0x38, 0xf1, 0xc0 }, true },
	{ "adox %rax,%rcx", { 0xf3, 0x48, 0x0f, 0x38, 0xf6, 0xc8 }, true },
	{ "aesenc (%rdi),%xmm0", { 0x66, 0x0f, 0x38, 0xdc, 0x07 }, true },
	{ "palignr $4,%xmm0,%xmm1", { 0x66, 0x0f, 0x3a, 0x0f, 0xc8, 0x04 }, true },
	{ "xgetbv", { 0x0f, 0x01, 0xd0 }, true },
	{ "xtest", { 0x0f, 0x01, 0xd6 }, true },
	{ "serialize", { 0x0f, 0x01, 0xe8 }, true },

	{ "vpor (%rdi),%xmm1,%xmm2", { 0xc5, 0xf1, 0xeb, 0x17 }, true },
	{ "vpmaskmovd %ymm0,%ymm1,(%rdi)", { 0xc4, 0xe2, 0x75, 0x8e, 0x07 }, true },
	{ "vpgatherdd %ymm0,(%rdi,%ymm1,4),%ymm2",
	  { 0xc4, 0xe2, 0x7d, 0x90, 0x14, 0x8f }, true },
	{ "vpscatterdd %zmm0,(%rdi,%zmm1,4){%k1}",
	  { 0x62, 0xf2, 0x7d, 0x49, 0xa0, 0x04, 0x8f }, true },
	{ "vpternlogq $1,(%rdi){1to8},%zmm1,%zmm2",
	  { 0x62, 0xf3, 0xf5, 0x58, 0x25, 0x17, 0x01 }, true },
	{ "kmovw %eax,%k1", { 0xc5, 0xf8, 0x92, 0xc8 }, true },
	{ "mulx (%rdi),%rax,%rcx", { 0xc4, 0xe2, 0xf3, 0xf6, 0x07 }, true },
	{ "shlx %rax,(%rdi),%rcx", { 0xc4, 0xe2, 0xf9, 0xf7, 0x0f }, true },
	{ "vaddph %zmm0,%zmm1,%zmm2",
	  { 0x62, 0xf5, 0x74, 0x48, 0x58, 0xd0 }, true },
	{ "add %rax,%rcx,%rdx", { 0x62, 0xf4, 0xec, 0x18, 0x01, 0xc1 }, true },
	{ "vpcmov %xmm0,(%rdi),%xmm1,%xmm2",
	  { 0x8f, 0xe8, 0x70, 0xa2, 0x17, 0x00 }, true },
	{ "vmovaps %fs:(%rdi),%xmm0", { 0x64, 0xc5, 0xf8, 0x28, 0x07 }, true },

	{ "call +0", { 0xe8, 0x00, 0x00, 0x00, 0x00 }, false },
	{ "call *%rax", { 0xff, 0xd0 }, false },
	{ "call *(%rdi)", { 0xff, 0x17 }, false },
	{ "jmp +0", { 0xeb, 0x00 }, false },
	{ "jmp *%rax", { 0xff, 0xe0 }, false },
	{ "ljmp *(%rdi)", { 0xff, 0x2f }, false },
	{ "lcall *(%rdi)", { 0xff, 0x1f }, false },
	{ "je +0", { 0x74, 0x00 }, false },
	{ "jrcxz +0", { 0xe3, 0x00 }, false },
	{ "loop +0", { 0xe2, 0x00 }, false },
	{ "ret", { 0xc3 }, false },
	{ "ret $8", { 0xc2, 0x08, 0x00 }, false },
	{ "lret", { 0xcb }, false },
	{ "iretq", { 0x48, 0xcf }, false },
	{ "syscall", { 0x0f, 0x05 }, false },
	{ "sysenter", { 0x0f, 0x34 }, false },
	{ "int $0x80", { 0xcd, 0x80 }, false },
	{ "int3", { 0xcc }, false },
	{ "hlt", { 0xf4 }, false },
	{ "cli", { 0xfa }, false },
	{ "sti", { 0xfb }, false },
	{ "in %dx,%al", { 0xec }, false },
	{ "out %al,$0x80", { 0xe6, 0x80 }, false },
	{ "insb", { 0x6c }, false },
	{ "pushfq", { 0x9c }, false },
	{ "popfq", { 0x9d }, false },
	{ "mov %eax,%ss", { 0x8e, 0xd0 }, false },
	{ "xacquire lock incl (%rdi)", { 0xf2, 0xf0, 0xff, 0x07 }, false },
	{ "xrelease movl $1,(%rdi)",
	  { 0xf3, 0xc7, 0x07, 0x01, 0x00, 0x00, 0x00 }, false },
	{ "xbegin +0", { 0xc7, 0xf8, 0x00, 0x00, 0x00, 0x00 }, false },
	{ "xabort $1", { 0xc6, 0xf8, 0x01 }, false },
	{ "xend", { 0x0f, 0x01, 0xd5 }, false },
	{ "ud2", { 0x0f, 0x0b }, false },
	{ "sgdt (%rdi)", { 0x0f, 0x01, 0x07 }, false },
	{ "sldt %eax", { 0x0f, 0x00, 0xc0 }, false },
	{ "smsw %eax", { 0x0f, 0x01, 0xe0 }, false },
	{ "verr %ax", { 0x0f, 0x00, 0xe0 }, false },
	{ "nop", { 0x90 }, false },
	{ "nopl (%rax)", { 0x0f, 0x1f, 0x00 }, false },
	{ "monitor", { 0x0f, 0x01, 0xc8 }, false },
	{ "int1", { 0xf1 }, false },
	{ "mov %al,(%rdi), xrelease", { 0xf3, 0x88, 0x07 }, false },
	{ "add %al,(%rdi), repne", { 0xf2, 0x00, 0x07 }, false },
	{ "popcnt %ax,%ax", { 0x66, 0xf3, 0x0f, 0xb8, 0xc0 }, false },
	{ "jmpe", { 0x0f, 0xb8, 0x00, 0x00, 0x00, 0x00 }, false },
	{ "endbr64, emulated", { 0xf3, 0x0f, 0x1e, 0xfa }, false },
	{ "test, the other encoding", { 0xf6, 0xc8, 0x01 }, false },
	{ "group 4, reg 2", { 0xfe, 0x17 }, false },
	{ "group 5, reg 7", { 0xff, 0x3f }, false },
	{ "group 8, reg 3", { 0x0f, 0xba, 0x1f, 0x03 }, false },
	{ "ud0", { 0x0f, 0xff, 0x07 }, false },
	{ "add %r16,(%rdi)", { 0xd5, 0x48, 0x01, 0x07 }, false },
	{ "mov 0x10(%eip),%eax, addr32",
	  { 0x67, 0x8b, 0x05, 0x10, 0x00, 0x00, 0x00 }, false },
	{ "vmovaps 0x10(%eip),%xmm0, addr32",
	  { 0x67, 0xc5, 0xf8, 0x28, 0x05, 0x10, 0x00, 0x00, 0x00 }, false },
	{ "enclu", { 0x0f, 0x01, 0xd7 }, false },
	{ "vmfunc", { 0x0f, 0x01, 0xd4 }, false },
	{ "vmcall", { 0x0f, 0x01, 0xc1 }, false },
	{ "vmmcall", { 0x0f, 0x01, 0xd9 }, false },
	{ "uiret", { 0xf3, 0x0f, 0x01, 0xec }, false },
	{ "senduipi %rax", { 0xf3, 0x0f, 0xc7, 0xf0 }, false },
	{ "xrelease lock cmpxchg8b (%rdi)", { 0xf3, 0xf0, 0x0f, 0xc7, 0x0f }, false },
	{ "movsb, REX before a prefix", { 0x48, 0x66, 0xa4 }, false },
	{ "mov %rax,%rax, REX twice", { 0x48, 0x48, 0x89, 0xc0 }, false },
	{ "movbe, 66 after f2", { 0xf2, 0x66, 0x0f, 0x38, 0xf1, 0x07 }, false },
	{ "psrldq $2,%xmm0, 67 after 66", { 0x66, 0x67, 0x0f, 0x73, 0xd8, 0x02 }, false },
	{ "cpuid, emulated by Xen", { 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2 }, false },
	{ "rep movsb, with ten prefixes",
	  { 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0xa4 }, false },
	{ "rep test", { 0xf3, 0xa8, 0x01 }, false },
	{ "xstore", { 0xf3, 0x0f, 0xa7, 0xc0 }, false },
	{ "wrmsr", { 0x0f, 0x30 }, false },
	{ "mov %cr0,%rax", { 0x0f, 0x20, 0xc0 }, false },
	{ "lss (%rdi),%eax", { 0x0f, 0xb2, 0x07 }, false },
	{ "vmovaps, with data16", { 0x66, 0xc5, 0xf8, 0x28, 0x07 }, false },
};

static void boost_describe(struct kunit *test, const void *param, char *desc)
{
	const struct boost_case *of = param;

	strscpy(desc, of->name, KUNIT_PARAM_DESC_SIZE);
}

static int boost_register(struct kunit *test)
{
	kunit_register_params_array(test, boost_cases, ARRAY_SIZE(boost_cases),
				    boost_describe);
	return 0;
}

static void boost_test_insn(struct kunit *test)
{
	const struct boost_case *of = test->param_value;
	struct arch_uprobe arch = { };
	int err;

	memcpy(arch.insn, of->insn, sizeof(of->insn));
	err = arch_uprobe_analyze_insn(&arch, &init_mm, 0x1000);
	KUNIT_EXPECT_EQ(test, !err && arch_uprobe_boost(&arch), of->boost);
}

static void boost_test_every_rule_is_tested(struct kunit *test)
{
	for (size_t i = 0; i < ARRAY_SIZE(boost_rules); i++) {
		const struct boost_rule *rule = &boost_rules[i];
		bool tested = false;

		for (size_t j = 0; j < ARRAY_SIZE(boost_cases); j++) {
			struct insn insn;
			int err;

			if (!boost_cases[j].boost)
				continue;
			err = insn_decode(&insn, boost_cases[j].insn, MAX_INSN_SIZE,
					  INSN_MODE_64);
			KUNIT_ASSERT_EQ(test, err, 0);
			tested |= !insn_is_avx_or_xop(&insn) &&
				  boost_rule_applies(rule, &insn, boost_prefixes(&insn));
		}
		KUNIT_EXPECT_TRUE_MSG(test, tested, "map %u, opcode %02x",
				      rule->map, rule->first);
	}
}

/* Checks that an instruction of 32-bit mode is stepped. */
static void boost_test_32_bit_is_stepped(struct kunit *test)
{
	static const u8 bytes[MAX_INSN_SIZE] = { 0x89, 0xe5 };
	struct insn insn;

	KUNIT_ASSERT_EQ(test, insn_decode(&insn, bytes, sizeof(bytes), INSN_MODE_32), 0);
	KUNIT_EXPECT_EQ(test, arch_uprobe_boost_decode(&insn), 0);
}

static const unsigned long boost_bp = 0x00007ffff7fe1234;
/* A slot and a probe that reach each other */
static const unsigned long boost_slot = 0x00007ffff7a00040;

/* Analyses @bytes as a probe does. */
static void boost_analyze(struct kunit *test, struct arch_uprobe *arch, const u8 *bytes)
{
	memset(arch, 0, sizeof(*arch));
	memcpy(arch->insn, bytes, MAX_INSN_SIZE);
	KUNIT_ASSERT_EQ(test, arch_uprobe_analyze_insn(arch, &init_mm, boost_bp), 0);
}

/* Checks that the slot has a jump to @target at @offset, and int3 up to @end. */
static void boost_expect_jump(struct kunit *test, const u8 *slot, unsigned int offset,
			      unsigned int end, unsigned long target)
{
	u8 jump[JMP32_INSN_SIZE] = { JMP32_INSN_OPCODE };

	put_unaligned_le32(target - (boost_slot + offset + sizeof(jump)), jump + 1);
	KUNIT_ASSERT_LE(test, offset + sizeof(jump), end);
	KUNIT_EXPECT_MEMEQ(test, slot + offset, jump, sizeof(jump));
	offset += sizeof(jump);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(slot + offset, INT3_INSN_OPCODE, end - offset),
			    NULL);
}

/* Checks the slot of an instruction of each length. */
static void boost_test_slot(struct kunit *test)
{
	static const u8 longest[MAX_INSN_SIZE] = {
		0x67, 0x67, 0x67, 0x67, 0x67, 0x67, 0x67, 0x67,
		0x67, 0x67, 0x67, 0x67, 0x67, 0x67, 0xc9,
	};

	for (unsigned int ilen = 1; ilen <= MAX_INSN_SIZE; ilen++) {
		u8 slot[2 * UPROBE_BOOST_GRANULE], bytes[MAX_INSN_SIZE] = { };
		unsigned int size = ilen > 11 ? 32 : 16;
		struct arch_uprobe arch;
		u8 boost;

		memset(slot, 0, sizeof(slot));
		memcpy(bytes, longest + MAX_INSN_SIZE - ilen, ilen);
		boost_analyze(test, &arch, bytes);
		boost = arch_uprobe_boost(&arch);
		KUNIT_EXPECT_EQ(test, boost & UPROBE_BOOST_LENGTH, ilen);
		KUNIT_EXPECT_EQ(test, !!(boost & UPROBE_BOOST_PAIR), size > 16);
		KUNIT_EXPECT_FALSE(test, boost & UPROBE_BOOST_REP);

		KUNIT_ASSERT_TRUE(test, arch_uprobe_boost_insn(&arch, boost_bp, boost_slot,
							       slot));
		KUNIT_EXPECT_MEMEQ(test, slot, bytes, ilen);
		boost_expect_jump(test, slot, ilen, size, boost_bp + ilen);
		KUNIT_EXPECT_PTR_EQ(test, memchr_inv(slot + size, 0, sizeof(slot) - size),
				    NULL);
	}
}

/*
 * Checks that a string instruction with rep is in both granules: a jump follows it in the
 * first, int3 in the second.
 */
static void boost_test_rep(struct kunit *test)
{
	static const struct {
		const char	*name;
		u8		insn[MAX_INSN_SIZE];
		unsigned int	length;
	} cases[] = {
		{ "rep movsb", { 0xf3, 0xa4 }, 2 },
		{ "rep movsw", { 0x66, 0xf3, 0xa5 }, 3 },
		{ "repne scasb", { 0xf2, 0xae }, 2 },
		{ "repe cmpsb", { 0xf3, 0xa6 }, 2 },
		{ "rep stosq, as long as it fits",
		  { 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0xf3, 0x48, 0xab }, 11 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *name = cases[i].name;
		u8 slot[2 * UPROBE_BOOST_GRANULE], *twin = slot + UPROBE_BOOST_GRANULE;
		unsigned int length = cases[i].length;
		struct arch_uprobe arch;

		boost_analyze(test, &arch, cases[i].insn);
		KUNIT_EXPECT_EQ_MSG(test, arch_uprobe_boost(&arch),
				    length | UPROBE_BOOST_PAIR | UPROBE_BOOST_REP, "%s", name);
		KUNIT_ASSERT_TRUE(test, arch_uprobe_boost_insn(&arch, boost_bp, boost_slot,
							       slot));
		KUNIT_EXPECT_MEMEQ_MSG(test, slot, cases[i].insn, length, "%s", name);
		boost_expect_jump(test, slot, length, UPROBE_BOOST_GRANULE, boost_bp + length);
		KUNIT_EXPECT_MEMEQ_MSG(test, twin, cases[i].insn, length, "%s", name);
		KUNIT_EXPECT_PTR_EQ(test, memchr_inv(twin + length, INT3_INSN_OPCODE,
						     UPROBE_BOOST_GRANULE - length), NULL);
	}
}

/* Checks that a slot is refused if it does not reach the next instruction. */
static void boost_test_reach_of_jump(struct kunit *test)
{
	static const u8 leave[MAX_INSN_SIZE] = { 0xc9 };
	struct arch_uprobe arch;
	u8 slot[UPROBE_BOOST_GRANULE];
	/* The jump has its ip, and the target, each one byte behind. */
	unsigned long below = boost_bp - S32_MAX - JMP32_INSN_SIZE;
	unsigned long above = boost_bp - S32_MIN - JMP32_INSN_SIZE;

	boost_analyze(test, &arch, leave);
	KUNIT_EXPECT_TRUE(test, arch_uprobe_boost_insn(&arch, boost_bp, below, slot));
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(slot + 2), S32_MAX);
	KUNIT_EXPECT_FALSE(test, arch_uprobe_boost_insn(&arch, boost_bp, below - 1, slot));
	KUNIT_EXPECT_TRUE(test, arch_uprobe_boost_insn(&arch, boost_bp, above, slot));
	KUNIT_EXPECT_EQ(test, (s32)get_unaligned_le32(slot + 2), S32_MIN);
	KUNIT_EXPECT_FALSE(test, arch_uprobe_boost_insn(&arch, boost_bp, above + 1, slot));

	/* The next instruction is the kernel's. */
	below = TASK_SIZE_MAX - PAGE_SIZE;
	KUNIT_EXPECT_TRUE(test, arch_uprobe_boost_insn(&arch, TASK_SIZE_MAX - 2, below, slot));
	KUNIT_EXPECT_FALSE(test, arch_uprobe_boost_insn(&arch, TASK_SIZE_MAX - 1, below, slot));
}

/* Checks that the instruction in the slot has the same operand. */
static void boost_test_operand(struct kunit *test)
{
	static const struct {
		const char	*name;
		u8		insn[MAX_INSN_SIZE];
		unsigned int	length;
		unsigned int	disp;	/* its offset */
	} cases[] = {
		{ "mov 0x12345678(%rip),%eax", { 0x8b, 0x05, 0x78, 0x56, 0x34, 0x12 }, 6, 2 },
		{ "mov %rsi,-16(%rip)",
		  { 0x48, 0x89, 0x35, 0xf0, 0xff, 0xff, 0xff }, 7, 3 },
		{ "cmpl $1,0x1000(%rip)",
		  { 0x83, 0x3d, 0x00, 0x10, 0x00, 0x00, 0x01 }, 7, 2 },
		{ "movq $0x11223344,0x1000(%rip)",
		  { 0x48, 0xc7, 0x05, 0x00, 0x10, 0x00, 0x00, 0x44, 0x33, 0x22, 0x11 }, 11, 3 },
		{ "movsd 0x1000(%rip),%xmm0",
		  { 0xf2, 0x0f, 0x10, 0x05, 0x00, 0x10, 0x00, 0x00 }, 8, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		u8 slot[2 * UPROBE_BOOST_GRANULE], expected[MAX_INSN_SIZE];
		u8 *disp = expected + cases[i].disp;
		struct arch_uprobe arch;

		boost_analyze(test, &arch, cases[i].insn);
		KUNIT_EXPECT_EQ_MSG(test, arch_uprobe_boost(&arch), cases[i].length, "%s",
				    cases[i].name);
		KUNIT_ASSERT_TRUE(test, arch_uprobe_boost_insn(&arch, boost_bp, boost_slot,
							       slot));
		memcpy(expected, cases[i].insn, sizeof(expected));
		put_unaligned_le32(get_unaligned_le32(disp) + (boost_bp - boost_slot), disp);
		KUNIT_EXPECT_MEMEQ_MSG(test, slot, expected, cases[i].length, "%s",
				       cases[i].name);
		boost_expect_jump(test, slot, cases[i].length, UPROBE_BOOST_GRANULE,
				  boost_bp + cases[i].length);
	}
}

/* Checks that a slot is refused if it reaches the next instruction, but not the operand. */
static void boost_test_reach_of_operand(struct kunit *test)
{
	u8 mov[MAX_INSN_SIZE] = { 0x8b, 0x05 }, slot[UPROBE_BOOST_GRANULE];
	struct arch_uprobe arch;

	put_unaligned_le32(S32_MAX - 0x1000, mov + 2);
	boost_analyze(test, &arch, mov);
	KUNIT_EXPECT_TRUE(test, arch_uprobe_boost_insn(&arch, boost_bp, boost_bp - 0x1000,
						       slot));
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(slot + 2), S32_MAX);
	KUNIT_EXPECT_FALSE(test, arch_uprobe_boost_insn(&arch, boost_bp, boost_bp - 0x1001,
							slot));

	put_unaligned_le32(S32_MIN + 0x1000, mov + 2);
	boost_analyze(test, &arch, mov);
	KUNIT_EXPECT_TRUE(test, arch_uprobe_boost_insn(&arch, boost_bp, boost_bp + 0x1000,
						       slot));
	KUNIT_EXPECT_EQ(test, (s32)get_unaligned_le32(slot + 2), S32_MIN);
	KUNIT_EXPECT_FALSE(test, arch_uprobe_boost_insn(&arch, boost_bp, boost_bp + 0x1001,
							slot));
}

/*
 * Checks that int3 follows an instruction. So one slot serves all places that have the
 * instruction, and int3 ends the step of an instruction that is emulated after a fault.
 */
static void boost_test_same_in_all_places(struct kunit *test)
{
	static const struct {
		const char	*name;
		u8		insn[MAX_INSN_SIZE];
		unsigned int	length;
	} cases[] = {
		{ "endbr64", { 0xf3, 0x0f, 0x1e, 0xfa }, 4 },
		{ "ret", { 0xc3 }, 1 },
		{ "mov 8(%rip),%rax", { 0x48, 0x8b, 0x05, 0x08, 0x00, 0x00, 0x00 }, 7 },
		{ "vpor (%rdi),%xmm1,%xmm2", { 0xc5, 0xf1, 0xeb, 0x17 }, 4 },
		{ "vzeroupper", { 0xc5, 0xf8, 0x77 }, 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arch_uprobe places[2];

		memset(places, 0, sizeof(places));
		memset(places[0].insn, 0x90, sizeof(places[0].insn));
		memset(places[1].insn, 0x55, sizeof(places[1].insn));
		for (size_t place = 0; place < ARRAY_SIZE(places); place++) {
			int err;

			memcpy(places[place].insn, cases[i].insn, cases[i].length);
			err = arch_uprobe_analyze_insn(&places[place], &init_mm, 0x1000);
			KUNIT_EXPECT_EQ_MSG(test, err, 0, "%s", cases[i].name);
		}
		KUNIT_EXPECT_MEMEQ_MSG(test, &places[0], &places[1], sizeof(places[0]), "%s",
				       cases[i].name);
		KUNIT_EXPECT_PTR_EQ_MSG(test,
					memchr_inv(places[0].insn + cases[i].length,
						   INT3_INSN_OPCODE,
						   sizeof(places[0].insn) - cases[i].length),
					NULL, "%s", cases[i].name);
	}
}

/*
 * Checks that no byte is replaced if the instruction is longer in the other mode:
 * lea 0x1234,%eax in 32-bit mode is lea (%esi),%eax in 64-bit mode.
 */
static void boost_test_keeps_the_longer_mode(struct kunit *test)
{
	static const u8 lea[] = { 0x67, 0x8d, 0x06, 0x34, 0x12 };
	struct arch_uprobe arch = { };

	memcpy(arch.insn, lea, sizeof(lea));
	KUNIT_EXPECT_EQ(test, arch_uprobe_analyze_insn(&arch, &init_mm, 0x1000), 0);
	KUNIT_EXPECT_EQ(test, arch.defparam.ilen, 3);
	KUNIT_EXPECT_MEMEQ(test, arch.insn, lea, sizeof(lea));
	KUNIT_EXPECT_EQ(test, arch.insn[sizeof(lea)], INT3_INSN_OPCODE);
}

/* Checks that an instruction is refused if its length is not certain. */
static void boost_test_length_is_sure(struct kunit *test)
{
	static const struct {
		const char	*name;
		u8		insn[MAX_INSN_SIZE];
		bool		sure;
	} cases[] = {
		{ "nop 8(%rax,%rax)", { 0x0f, 0x1d, 0x44, 0x00, 0x08 } },
		{ "nop 8(%rax,%rax), REX2", { 0xd5, 0x80, 0x1d, 0x44, 0x00, 0x08 } },
		{ "movrs 8(%rdi),%eax", { 0x0f, 0x38, 0x8b, 0x47, 0x08 } },
		{ "nop, REX before a prefix", { 0x48, 0x66, 0x90 } },
		{ "call, REX twice", { 0x45, 0x47, 0xe8, 0x00, 0x10, 0x00, 0x00 } },
		{ "mov %rax,%rax, REX twice", { 0x48, 0x48, 0x89, 0xc0 } },
		{ "mov %rax,%rax, REX after REX2", { 0xd5, 0x00, 0x48, 0x89, 0xc0 } },
		{ "psrldq $2,%xmm0, 67 after 66", { 0x66, 0x67, 0x0f, 0x73, 0xd8, 0x02 } },
		{ "popcnt %fs:(%rdi),%eax, 64 after f3", { 0xf3, 0x64, 0x0f, 0xb8, 0x07 } },
		{ "crc32w %ax,%eax, 66 after f2", { 0xf2, 0x66, 0x0f, 0x38, 0xf1, 0xc0 } },
		{ "cpuid, emulated by Xen", { 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2 } },
		{ "five prefixes",
		  { 0x2e, 0x36, 0x64, 0x66, 0x67, 0x8b, 0x07 } },

		{ "cs nopw 8(%rax,%rax)", { 0x66, 0x2e, 0x0f, 0x1f, 0x44, 0x00, 0x08 }, true },
		{ "crc32w %ax,%eax", { 0x66, 0xf2, 0x0f, 0x38, 0xf1, 0xc0 }, true },
		{ "popcnt %ax,%ax", { 0x66, 0xf3, 0x0f, 0xb8, 0xc0 }, true },
		{ "movdqa %fs:(%rdi),%xmm0", { 0x64, 0x66, 0x0f, 0x6f, 0x07 }, true },
		{ "bswap %r15", { 0x49, 0x0f, 0xcf }, true },
		{ "cpuid", { 0x0f, 0xa2 }, true },
		{ "syscall", { 0x0f, 0x05 }, true },
		{ "ud2", { 0x0f, 0x0b }, true },
		{ "emms", { 0x0f, 0x77 }, true },
		{ "femms", { 0x0f, 0x0e }, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arch_uprobe arch = { };
		int expected = -ENOTSUPP;

		if (cases[i].sure)
			expected = 0;
		memcpy(arch.insn, cases[i].insn, sizeof(cases[i].insn));
		KUNIT_EXPECT_EQ_MSG(test, arch_uprobe_analyze_insn(&arch, &init_mm, 0x1000),
				    expected, "%s", cases[i].name);
	}
}

/* Checks that bytes which may belong to the instruction in the other mode stay. */
static void boost_test_keeps_what_may_be_executed(struct kunit *test)
{
	static const u8 movabs[MAX_INSN_SIZE] = { 0xa1, 1, 2, 3, 4, 5, 6, 7, 8 };
	/* In 64-bit mode, a prefix follows REX. */
	static const u8 dec[MAX_INSN_SIZE] = { 0x48, 0x66, 0x89, 0xc0 };
	struct arch_uprobe arch = { };
	struct mm_struct *mm;

	if (!IS_ENABLED(CONFIG_IA32_EMULATION))
		return;
	mm = kunit_kzalloc(test, sizeof(*mm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mm);
	set_bit(MM_CONTEXT_UPROBE_IA32, &mm->context.flags);
	memcpy(arch.insn, movabs, sizeof(movabs));
	KUNIT_EXPECT_EQ(test, arch_uprobe_analyze_insn(&arch, mm, 0x1000), 0);
	KUNIT_EXPECT_EQ(test, arch.defparam.ilen, 5);
	KUNIT_EXPECT_MEMEQ(test, arch.insn, movabs, 9);

	memset(&arch, 0, sizeof(arch));
	memcpy(arch.insn, dec, sizeof(dec));
	KUNIT_EXPECT_EQ(test, arch_uprobe_analyze_insn(&arch, mm, 0x1000), 0);
	KUNIT_EXPECT_EQ(test, arch.defparam.ilen, 1);
	KUNIT_EXPECT_MEMEQ(test, arch.insn, dec, sizeof(dec));
}

/* Checks that a hit is stepped if a trap follows it, or in 32-bit mode. */
static void boost_test_not_this_time(struct kunit *test)
{
	struct pt_regs regs = { .ip = 0x401000, .cs = __USER_CS };

	KUNIT_EXPECT_TRUE(test, arch_uprobe_may_boost(&regs));

	regs.flags = X86_EFLAGS_TF;
	KUNIT_EXPECT_FALSE(test, arch_uprobe_may_boost(&regs));
	regs.flags = X86_EFLAGS_AC;
	KUNIT_EXPECT_TRUE(test, arch_uprobe_may_boost(&regs));

	regs.cs = __USER32_CS;
	KUNIT_EXPECT_FALSE(test, arch_uprobe_may_boost(&regs));
}

/* Makes the current thread step in a slot. */
static void boost_begin_step(struct kunit *test, struct uprobe_task *utask,
			     struct arch_uprobe *copy, struct pt_regs *regs, u8 boost)
{
	*utask = (struct uprobe_task) { .vaddr = boost_bp, .xol_vaddr = boost_slot };
	*regs = (struct pt_regs) {
		.ip = boost_slot, .cs = __USER_CS, .flags = X86_EFLAGS_FIXED,
	};
	current->utask = utask;
	arch_uprobe_boosted_step(copy, regs, boost);
	utask->state = UTASK_SSTEP;
}

static int boost_trap(struct pt_regs *regs, enum die_val val)
{
	struct die_args args = { .regs = regs };

	return arch_uprobe_exception_notify(NULL, val, &args);
}

/* Ends the step, and checks that ip is after the instruction of @length bytes. */
static void boost_expect_stepped(struct kunit *test, struct uprobe_task *utask,
				 struct arch_uprobe *copy, struct pt_regs *regs,
				 unsigned int length)
{
	KUNIT_EXPECT_EQ(test, utask->state, UTASK_SSTEP_ACK);
	clear_thread_flag(TIF_UPROBE);
	KUNIT_EXPECT_EQ(test, arch_uprobe_post_xol(copy, regs), 0);
	current->utask = NULL;
	KUNIT_EXPECT_EQ(test, regs->ip, boost_bp + length);
	KUNIT_EXPECT_EQ(test, regs->flags, X86_EFLAGS_FIXED);
}

/* Checks a step in a slot, during which a trap comes before the instruction is done. */
static void boost_test_step(struct kunit *test)
{
	struct uprobe_task utask;
	struct arch_uprobe copy;
	struct pt_regs regs;

	KUNIT_ASSERT_NULL(test, current->utask);
	KUNIT_ASSERT_EQ(test, kunit_attach_mm(), 0);
	boost_begin_step(test, &utask, &copy, &regs, 3);
	KUNIT_EXPECT_EQ(test, regs.ip, boost_slot);
	KUNIT_EXPECT_TRUE(test, regs.flags & X86_EFLAGS_TF);

	KUNIT_EXPECT_EQ(test, boost_trap(&regs, DIE_DEBUG), NOTIFY_STOP);
	KUNIT_EXPECT_EQ(test, utask.state, UTASK_SSTEP);
	KUNIT_EXPECT_EQ(test, regs.ip, boost_slot);
	KUNIT_EXPECT_TRUE(test, regs.flags & X86_EFLAGS_TF);

	regs.ip += 3;
	KUNIT_EXPECT_EQ(test, boost_trap(&regs, DIE_DEBUG), NOTIFY_STOP);
	boost_expect_stepped(test, &utask, &copy, &regs, 3);
}

/* Checks that ip stays where other code that was mapped over the slot has gone. */
static void boost_test_step_goes_elsewhere(struct kunit *test)
{
	const unsigned long elsewhere[] = { boost_slot - 1, boost_slot + 4, 0x1000 };
	struct uprobe_task utask;
	struct arch_uprobe copy;
	struct pt_regs regs;

	KUNIT_ASSERT_NULL(test, current->utask);
	KUNIT_ASSERT_EQ(test, kunit_attach_mm(), 0);
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		boost_begin_step(test, &utask, &copy, &regs, 3);
		regs.ip = elsewhere[i];
		KUNIT_EXPECT_EQ(test, boost_trap(&regs, DIE_DEBUG), NOTIFY_STOP);
		clear_thread_flag(TIF_UPROBE);
		KUNIT_EXPECT_EQ(test, arch_uprobe_post_xol(&copy, &regs), 0);
		current->utask = NULL;
		KUNIT_EXPECT_EQ(test, regs.ip, elsewhere[i]);
		KUNIT_EXPECT_EQ(test, regs.flags, X86_EFLAGS_FIXED);
	}
}

/* Checks that a string instruction with rep runs to the int3 of the second granule. */
static void boost_test_step_of_rep(struct kunit *test)
{
	struct uprobe_task utask;
	struct arch_uprobe copy;
	struct pt_regs regs;

	KUNIT_ASSERT_NULL(test, current->utask);
	KUNIT_ASSERT_EQ(test, kunit_attach_mm(), 0);
	boost_begin_step(test, &utask, &copy, &regs,
			 2 | UPROBE_BOOST_PAIR | UPROBE_BOOST_REP);
	KUNIT_EXPECT_EQ(test, regs.ip, boost_slot + UPROBE_BOOST_GRANULE);
	KUNIT_EXPECT_FALSE(test, regs.flags & X86_EFLAGS_TF);

	/* A breakpoint elsewhere */
	regs.ip = boost_bp + INT3_INSN_SIZE;
	KUNIT_EXPECT_FALSE(test, arch_uprobe_boosted_step_ended(&regs));

	regs.ip = boost_slot + UPROBE_BOOST_GRANULE + 2 + INT3_INSN_SIZE;
	KUNIT_EXPECT_TRUE(test, arch_uprobe_boosted_step_ended(&regs));
	utask.state = UTASK_SSTEP_ACK;
	boost_expect_stepped(test, &utask, &copy, &regs, 2);
}

/* Checks that a fault during a step is reported with its own number, at the probe. */
static void boost_test_fault_in_step(struct kunit *test)
{
	unsigned long trap_nr = current->thread.trap_nr;
	struct uprobe_task utask;
	struct arch_uprobe copy;
	struct pt_regs regs;

	KUNIT_ASSERT_NULL(test, current->utask);
	boost_begin_step(test, &utask, &copy, &regs, 3);
	arch_uprobe_abort_xol(&copy, &regs);
	KUNIT_EXPECT_EQ(test, current->thread.trap_nr, trap_nr);

	boost_begin_step(test, &utask, &copy, &regs, 3);
	current->thread.trap_nr = X86_TRAP_PF;
	arch_uprobe_abort_xol(&copy, &regs);
	KUNIT_EXPECT_EQ(test, current->thread.trap_nr, X86_TRAP_PF);
	KUNIT_EXPECT_EQ(test, regs.ip, boost_bp);
	KUNIT_EXPECT_EQ(test, regs.flags, X86_EFLAGS_FIXED);

	current->thread.trap_nr = trap_nr;
	current->utask = NULL;
}

static void boost_test_leave_clears_rf(struct kunit *test)
{
	struct pt_regs regs = { .ip = 1, .flags = X86_EFLAGS_RF | X86_EFLAGS_CF };

	arch_uprobe_boosted_leave(&regs, 0x401004);
	KUNIT_EXPECT_EQ(test, regs.ip, 0x401004);
	KUNIT_EXPECT_EQ(test, regs.flags, X86_EFLAGS_CF);
}

static struct kunit_case boost_test_cases[] = {
	KUNIT_CASE_PARAM_WITH_INIT(boost_test_insn, kunit_array_gen_params,
				   boost_register, NULL),
	KUNIT_CASE(boost_test_every_rule_is_tested),
	KUNIT_CASE(boost_test_32_bit_is_stepped),
	KUNIT_CASE(boost_test_slot),
	KUNIT_CASE(boost_test_rep),
	KUNIT_CASE(boost_test_reach_of_jump),
	KUNIT_CASE(boost_test_operand),
	KUNIT_CASE(boost_test_reach_of_operand),
	KUNIT_CASE(boost_test_same_in_all_places),
	KUNIT_CASE(boost_test_keeps_the_longer_mode),
	KUNIT_CASE(boost_test_length_is_sure),
	KUNIT_CASE(boost_test_keeps_what_may_be_executed),
	KUNIT_CASE(boost_test_not_this_time),
	KUNIT_CASE(boost_test_step),
	KUNIT_CASE(boost_test_step_goes_elsewhere),
	KUNIT_CASE(boost_test_step_of_rep),
	KUNIT_CASE(boost_test_fault_in_step),
	KUNIT_CASE(boost_test_leave_clears_rf),
	{}
};

static struct kunit_suite boost_test_suite = {
	.name = "uprobes_boost",
	.test_cases = boost_test_cases,
};
kunit_test_suite(boost_test_suite);
