// SPDX-License-Identifier: GPL-2.0
/* Instructions of x86-64, for insn_fuzz */
#include <errno.h>

#include "fuzz.h"

/* Not one of the errors that user space knows */
#define ENOTSUPP	524

#define INT3		0xcc
/*
 * Raises #GP in user mode. The trap of an int3 would have no number if the process has
 * probes, because the kernel looks for a probe first.
 */
#define HLT		0xf4

enum encoding {
	LEGACY,
	VEX,
	EVEX,
};

/* Opcode maps: one byte, 0f, 0f 38, 0f 3a */
enum {
	MAP_ONE,
	MAP_0F,
	MAP_0F38,
	MAP_0F3A,
};

#define PREFIX_66	0x01
#define PREFIX_67	0x02
#define PREFIX_F2	0x04
#define PREFIX_F3	0x08
#define PREFIX_SEGMENT	0x10
#define PREFIX_LOCK	0x20

/**
 * struct shape - what an instruction consists of
 * @encoding: how the opcode is encoded
 * @map: the opcode's map
 * @opcode: the last byte of the opcode
 * @prefixes: those in front of the opcode, REX excepted
 * @last_prefix: the last one of these
 * @unusual: prefixes that are repeated, have no meaning, or follow REX
 * @wide: REX.W or its equivalent
 * @long_vector: VEX.L
 * @modrm: where the ModRM byte is; 0 if there is none
 * @displacement: where the displacement is, if @displacement_bytes
 * @immediate: where the immediate is, if @immediate_bytes
 * @is_relative: the immediate is the distance of a branch
 * @is_rip_relative: the displacement is relative to rip
 * @length: of the instruction
 */
struct shape {
	enum encoding encoding;
	unsigned int map, opcode, prefixes, last_prefix;
	bool unusual, wide, long_vector;
	unsigned int modrm, displacement, displacement_bytes, immediate, immediate_bytes;
	bool is_relative, is_rip_relative;
	unsigned int length;
};

static unsigned int prefix_bit(uint8_t byte)
{
	switch (byte) {
	case 0x66:
		return PREFIX_66;
	case 0x67:
		return PREFIX_67;
	case 0xf2:
		return PREFIX_F2;
	case 0xf3:
		return PREFIX_F3;
	case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
		return PREFIX_SEGMENT;
	case 0xf0:
		return PREFIX_LOCK;
	}
	return 0;
}

static bool is_rex(uint8_t byte)
{
	return (byte & 0xf0) == 0x40;
}

/* Reads prefixes; returns where the opcode begins. */
static unsigned int shape_prefixes(const uint8_t *bytes, struct shape *shape)
{
	unsigned int at, bit;
	bool rex = false;

	for (at = 0; at < INSN_MOST_BYTES; at++) {
		bit = prefix_bit(bytes[at]);
		if (!bit && !is_rex(bytes[at]))
			break;
		/* Segments other than fs and gs, and lock, are not usual either. */
		shape->unusual |= rex || shape->prefixes & bit || bit == PREFIX_LOCK ||
				  (bit == PREFIX_SEGMENT && bytes[at] < 0x64);
		shape->prefixes |= bit;
		if (bit)
			shape->last_prefix = bit;
		/* only the last one counts, and only if the opcode follows */
		rex = !bit;
		shape->wide = rex && bytes[at] & 8;
	}
	return at;
}

static bool has_modrm(const struct shape *shape)
{
	unsigned int opcode = shape->opcode;

	switch (shape->map) {
	case MAP_0F38:
	case MAP_0F3A:
		return true;
	case MAP_0F:
		if (opcode == 0x77 || shape->encoding != LEGACY)
			return opcode != 0x77;
		return !((opcode >= 0x04 && opcode <= 0x0c && opcode != 0x0a) ||
			 opcode == 0x0e || (opcode & 0xf8) == 0x30 ||
			 (opcode & 0xf0) == 0x80 || (opcode & 0xf6) == 0xa0 ||
			 opcode == 0xa2 || opcode == 0xaa || (opcode & 0xf8) == 0xc8);
	}
	if (opcode < 0x40)
		return (opcode & 7) < 4;
	return opcode == 0x63 || opcode == 0x69 || opcode == 0x6b ||
	       (opcode & 0xf0) == 0x80 || (opcode & 0xfe) == 0xc0 ||
	       (opcode & 0xfc) == 0xc4 || (opcode & 0xfc) == 0xd0 ||
	       (opcode & 0xf8) == 0xd8 || (opcode & 0xf6) == 0xf6;
}

/* Of a word or double word, whichever the prefixes select */
static unsigned int operand_bytes(const struct shape *shape)
{
	return shape->prefixes & PREFIX_66 && !shape->wide ? 2 : 4;
}

static unsigned int immediate_bytes_one(const struct shape *shape, unsigned int reg)
{
	unsigned int opcode = shape->opcode;

	switch (opcode) {
	case 0x00 ... 0x3f:
		if ((opcode & 7) == 4)
			return 1;
		return (opcode & 7) == 5 ? operand_bytes(shape) : 0;
	case 0x68: case 0x69: case 0x81: case 0xa9: case 0xc7:
		return operand_bytes(shape);
	case 0x6a: case 0x6b: case 0x70 ... 0x7f: case 0x80: case 0x82: case 0x83:
	case 0xa8: case 0xb0 ... 0xb7: case 0xc0: case 0xc1: case 0xc6: case 0xcd:
	case 0xd4: case 0xd5: case 0xe0 ... 0xe7: case 0xeb:
		return 1;
	case 0xa0 ... 0xa3:
		return shape->prefixes & PREFIX_67 ? 4 : 8;
	case 0xb8 ... 0xbf:
		return shape->wide ? 8 : operand_bytes(shape);
	case 0xc2: case 0xca:
		return 2;
	case 0xc8:
		return 3;
	case 0xe8: case 0xe9:
		return operand_bytes(shape);
	case 0xf6:
		return reg < 2;
	case 0xf7:
		return reg < 2 ? operand_bytes(shape) : 0;
	}
	return 0;
}

static unsigned int immediate_bytes(const struct shape *shape, unsigned int reg)
{
	switch (shape->map) {
	case MAP_0F3A:
		return 1;
	case MAP_0F38:
		return 0;
	case MAP_ONE:
		return immediate_bytes_one(shape, reg);
	}
	switch (shape->opcode) {
	case 0x80 ... 0x8f:
		return shape->encoding == LEGACY ? operand_bytes(shape) : 0;
	case 0x0f: case 0xa4: case 0xac: case 0xba:
		return shape->encoding == LEGACY;
	case 0x78:
		return shape->encoding == LEGACY &&
		       shape->prefixes & (PREFIX_66 | PREFIX_F2) ? 2 : 0;
	case 0x70 ... 0x73: case 0xc2: case 0xc4: case 0xc5: case 0xc6:
		return 1;
	}
	return 0;
}

static bool is_near_branch_with_distance(const struct shape *shape)
{
	unsigned int opcode = shape->opcode;

	if (shape->encoding != LEGACY)
		return false;
	if (shape->map == MAP_0F)
		return (opcode & 0xf0) == 0x80;
	return shape->map == MAP_ONE &&
	       ((opcode & 0xf0) == 0x70 || (opcode & 0xfc) == 0xe0 || opcode == 0xe8 ||
		opcode == 0xe9 || opcode == 0xeb);
}

/* Reads the opcode; returns what follows it. */
static unsigned int shape_opcode(const uint8_t *bytes, unsigned int at, struct shape *shape)
{
	static const uint8_t vex_prefixes[] = { 0, PREFIX_66, PREFIX_F3, PREFIX_F2 };
	uint8_t last = 0;

	switch (bytes[at]) {
	case 0xc5:
		shape->encoding = VEX;
		shape->map = MAP_0F;
		last = bytes[at + 1];
		at += 2;
		break;
	case 0xc4:
		shape->encoding = VEX;
		shape->map = bytes[at + 1] & 0x1f;
		last = bytes[at + 2];
		at += 3;
		break;
	case 0x62:
		shape->encoding = EVEX;
		shape->map = bytes[at + 1] & 7;
		last = bytes[at + 2];
		at += 4;
		break;
	case 0x0f:
		shape->map = MAP_0F;
		at++;
		if (bytes[at] == 0x38 || bytes[at] == 0x3a)
			shape->map = bytes[at++] == 0x38 ? MAP_0F38 : MAP_0F3A;
		break;
	}
	if (shape->encoding != LEGACY) {
		/* the maps of 16-bit floating point have neither immediates */
		if (shape->map > MAP_0F3A)
			shape->map = MAP_0F38;
		shape->unusual |= at > 4;
		shape->prefixes |= vex_prefixes[last & 3];
		shape->wide = last & 0x80;
		shape->long_vector = last & 4;
	}
	shape->opcode = bytes[at];
	return at + 1;
}

/* Reads ModRM, SIB and displacement; returns what follows them. */
static unsigned int shape_operand(const uint8_t *bytes, unsigned int at, struct shape *shape)
{
	unsigned int mod, rm, base;

	shape->modrm = at;
	mod = bytes[at] >> 6;
	rm = bytes[at++] & 7;
	base = rm;
	if (mod == 3)
		return at;
	if (rm == 4)
		base = bytes[at++] & 7;
	shape->displacement = at;
	if (mod)
		shape->displacement_bytes = mod == 1 ? 1 : 4;
	else if (base == 5)
		shape->displacement_bytes = 4;
	shape->is_rip_relative = !mod && rm == 5;
	return at + shape->displacement_bytes;
}

/* What CPUs take the beginning of @bytes for; false if it is too long */
static bool shape_of(const uint8_t *bytes, struct shape *shape)
{
	uint8_t padded[2 * INSN_MOST_BYTES + 2] = {};
	unsigned int at, reg = 0;

	memcpy(padded, bytes, INSN_MOST_BYTES);
	memset(shape, 0, sizeof(*shape));
	at = shape_opcode(padded, shape_prefixes(padded, shape), shape);
	if (has_modrm(shape)) {
		reg = padded[at] >> 3 & 7;
		at = shape_operand(padded, at, shape);
	}
	shape->immediate = at;
	shape->immediate_bytes = immediate_bytes(shape, reg);
	shape->is_relative = is_near_branch_with_distance(shape);
	shape->length = at + shape->immediate_bytes;
	return shape->length <= INSN_MOST_BYTES;
}

static uint8_t modrm_of(const uint8_t *bytes, const struct shape *shape)
{
	return shape->modrm ? bytes[shape->modrm] : 0;
}

static bool is_string(const struct shape *shape)
{
	unsigned int opcode = shape->opcode;

	return shape->encoding == LEGACY && shape->map == MAP_ONE &&
	       ((opcode & 0xfc) == 0x6c || (opcode >= 0xa4 && opcode <= 0xa7) ||
		(opcode >= 0xaa && opcode <= 0xaf));
}

static bool is_near_branch(const struct shape *shape, unsigned int reg)
{
	unsigned int opcode = shape->opcode;

	if (shape->is_relative)
		return true;
	return shape->map == MAP_ONE &&
	       ((opcode & 0xfe) == 0xc2 || (opcode == 0xff && (reg == 2 || reg == 4)));
}

static bool is_far_branch(const struct shape *shape, unsigned int reg)
{
	unsigned int opcode = shape->opcode;

	return shape->map == MAP_ONE &&
	       ((opcode & 0xfe) == 0xca || (opcode == 0xff && (reg == 3 || reg == 5)));
}

static bool is_vector(const struct shape *shape)
{
	unsigned int opcode = shape->opcode;

	switch (shape->map) {
	case MAP_ONE:
		return (opcode & 0xf8) == 0xd8;
	case MAP_0F:
		return (opcode & 0xf8) == 0x10 || (opcode & 0xf8) == 0x28 ||
		       (opcode >= 0x50 && opcode <= 0x7f) || opcode == 0xc2 ||
		       (opcode >= 0xc4 && opcode <= 0xc6) || opcode >= 0xd0 ||
		       opcode == 0xae;
	}
	return true;
}

/*
 * Prefixes of which decoders may not know whether they select an instruction: more than
 * one of these, one in front of another prefix, and one with an opcode that is the same
 * without. Only for the listed opcodes, F3 means something else. Those of AMD's SSE4a
 * may not be known.
 */
static bool selection_is_doubtful(const struct shape *shape)
{
	unsigned int selecting = shape->prefixes & (PREFIX_66 | PREFIX_F2 | PREFIX_F3);

	if (shape->map == MAP_ONE || !selecting)
		return false;
	if (selecting != shape->last_prefix)
		return true;
	switch (shape->opcode) {
	case 0x09: case 0x1e: case 0xb8: case 0xbc: case 0xbd: case 0xc7:
		return selecting == PREFIX_F2;
	case 0x2b: case 0x78: case 0x79:
		return selecting != PREFIX_66;
	}
	return selecting != PREFIX_66 && !is_vector(shape);
}

static enum insn_class class_of(const uint8_t *bytes, const struct shape *shape)
{
	unsigned int opcode = shape->opcode, reg = modrm_of(bytes, shape) >> 3 & 7;
	bool repeats = shape->prefixes & (PREFIX_F2 | PREFIX_F3);

	if (shape->unusual)
		return CLASS_PREFIXES;
	if (shape->encoding != LEGACY)
		return CLASS_AVX;
	if (shape->map == MAP_0F && opcode <= 1)
		return CLASS_UMIP;
	if (selection_is_doubtful(shape))
		return CLASS_PREFIXES;
	if (is_far_branch(shape, reg))
		return CLASS_FAR_BRANCHES;
	if (is_near_branch(shape, reg))
		return shape->prefixes ? CLASS_PREFIXES : CLASS_BRANCHES;
	if (shape->map == MAP_ONE) {
		if (is_string(shape) && repeats)
			return CLASS_REP;
		/* except pause, which is a nop with a prefix */
		if (repeats && opcode != 0x90)
			return CLASS_PREFIXES;
		if (opcode == 0x9c)
			return CLASS_PUSHED_FLAGS;
	}
	if (shape->is_rip_relative)
		return CLASS_RELATIVE;
	return is_vector(shape) ? CLASS_VECTOR : CLASS_GENERAL;
}

/*
 * Instructions that need not do the same each time, wait, enter the kernel or the
 * hypervisor, start transactions, or change protection keys. Also those that hold a
 * breakpoint themselves.
 */
static bool is_allowed_0f(const uint8_t *bytes, const struct shape *shape)
{
	bool is_register = modrm_of(bytes, shape) >= 0xc0;
	unsigned int reg = modrm_of(bytes, shape) >> 3 & 7;

	switch (shape->opcode) {
	case 0x01:
		/* smsw, or in memory, or xgetbv */
		return !is_register || reg == 4 || bytes[shape->modrm] == 0xd0;
	/* lsl, because the kernel keeps the number of the CPU in a segment's limit */
	case 0x03:
	case 0x05: case 0x07:
	case 0x31: case 0x33: case 0x34: case 0x35:
	case 0xa2:
		return false;
	case 0xae:
		/* umonitor, umwait, tpause; xrstor loads protection keys */
		if (is_register && reg == 6)
			return !(shape->prefixes & (PREFIX_66 | PREFIX_F2 | PREFIX_F3));
		return is_register || reg != 5;
	case 0xc7:
		return !is_register || reg < 6;
	}
	return true;
}

/*
 * The kernel replaces nops of 5 or 10 bytes, depending on its version, by a call when
 * they are hit. What is called uses the stack below sp.
 */
static bool is_optimized_nop(const struct shape *shape)
{
	return shape->map == MAP_0F && shape->opcode == 0x1f &&
	       shape->length % 5 == 0;
}

static bool is_allowed(const uint8_t *bytes, const struct shape *shape)
{
	if (bytes[0] == INT3 || is_optimized_nop(shape))
		return false;
	if (shape->encoding != LEGACY) {
		/* QEMU aborts on vpinsrb, vpinsrw and vpinsrd with this bit. */
		return !shape->long_vector ||
		       !((shape->map == MAP_0F && shape->opcode == 0xc4) ||
			 (shape->map == MAP_0F3A &&
			  (shape->opcode == 0x20 || shape->opcode == 0x22)));
	}
	switch (shape->map) {
	case MAP_0F:
		return is_allowed_0f(bytes, shape);
	case MAP_ONE:
		switch (shape->opcode) {
		case INT3: case 0xcd: case 0xf1:
			return false;
		case 0xc7:
			return modrm_of(bytes, shape) != 0xf8;
		/*
		 * A far call without REX.W pushes cs and ip in 8 bytes. After its step, the
		 * kernel, also upstream's, stores ip in all of them.
		 */
		case 0xff:
			return (modrm_of(bytes, shape) >> 3 & 7) != 3 || shape->wide;
		}
	}
	return true;
}

bool cpu_allows(const struct fuzz_insn *insn)
{
	struct shape shape;

	return shape_of(insn->bytes, &shape) && is_allowed(insn->bytes, &shape);
}

/* Where a branch may lead with a distance of 8 or 32 bits; a trap is there. */
static uintptr_t branch_target(struct random *random, const struct arena *arena,
			       uintptr_t site, const struct shape *shape)
{
	uintptr_t place = site & -PLACE_BYTES;
	unsigned int at;

	if (shape->immediate_bytes == 1 || one_in(random, 2)) {
		/* what an instruction before this place may not have filled */
		do
			at = INSN_MOST_BYTES + random_below(random, PLACE_BYTES -
							    INSN_MOST_BYTES);
		while (place + at >= site && place + at < site + shape->length);
		return place + at;
	}
	if (one_in(random, 2))
		return landing_room(arena) + random_below(random, arena->page);
	return arena->base + random_below(random, ARENA_PAGES * arena->page);
}

/*
 * Changes distances and displacements that would lead to another place or to an
 * instruction that may be probed, which is not what it was without the probe.
 */
static void fix_addresses(struct random *random, uint8_t *bytes, const struct shape *shape,
			  uintptr_t site, const struct arena *arena)
{
	uintptr_t next = site + shape->length;
	uint8_t *displacement = bytes + shape->displacement;

	if (shape->is_relative && shape->immediate_bytes != 2)
		put(bytes + shape->immediate,
		    branch_target(random, arena, site, shape) - next,
		    shape->immediate_bytes);
	if (shape->is_rip_relative)
		put(displacement, arena->base - next +
		    random_below(random, ARENA_PAGES * arena->page), 4);
	else if (shape->displacement_bytes == 4 && one_in(random, 2))
		/* also what has no base register, if addresses are short */
		put(displacement, one_in(random, 2) ?
		    random_pointer(random, arena) : random_below(random, arena->page), 4);
	if (shape->encoding != LEGACY || shape->map != MAP_ONE)
		return;
	if ((shape->opcode & 0xfc) == 0xa0)
		put(bytes + shape->immediate, random_pointer(random, arena),
		    shape->immediate_bytes);
	/* QEMU TCG 10 takes a larger number for a negative one. */
	if (shape->opcode == 0xc2)
		bytes[shape->immediate + 1] &= 0x7f;
}

/* The beginnings of instructions, from which one is made */
static const uint8_t usual_prefixes[] = { 0x66, 0x67, 0xf2, 0xf3, 0x64, 0x65 };

static const uint8_t all_prefixes[] = {
	0x66, 0x67, 0xf2, 0xf3, 0x64, 0x65, 0x26, 0x2e, 0x36, 0x3e, 0xf0,
	0x40, 0x41, 0x42, 0x44, 0x48, 0x4f
};

static const uint8_t strings[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };

static const uint8_t branches[] = {
	0x70, 0x75, 0x7f, 0xc2, 0xc3, 0xe0, 0xe1, 0xe2, 0xe3, 0xe8, 0xe9, 0xeb, 0xff, 0xff
};

static const uint8_t far_branches[] = { 0xca, 0xcb, 0xff, 0xff };

#define PICK(random, array) ((array)[random_below(random, ARRAY_SIZE(array))])

static uint8_t *random_prefixes(struct random *random, enum insn_class class, uint8_t *at)
{
	if (class == CLASS_PREFIXES) {
		for (unsigned int i = random_below(random, 5); i; i--)
			*at++ = PICK(random, all_prefixes);
		return at;
	}
	if (class == CLASS_AVX || class == CLASS_BRANCHES)
		return at;
	if (class == CLASS_REP)
		*at++ = one_in(random, 2) ? 0xf2 : 0xf3;
	else if (one_in(random, class == CLASS_VECTOR ? 2 : 4))
		*at++ = PICK(random, usual_prefixes);
	if (one_in(random, 8))
		*at++ = PICK(random, usual_prefixes);
	if (one_in(random, 2))
		*at++ = 0x40 | random_below(random, 16);
	return at;
}

static uint8_t *random_vex(struct random *random, uint8_t *at)
{
	uint8_t first = random_next(random), second = random_next(random);

	/* Most instructions with two operands want all bits of the third one set. */
	if (one_in(random, 2))
		second |= 0x78;
	switch (random_below(random, 3)) {
	case 0:
		*at++ = 0xc5;
		break;
	case 1:
		*at++ = 0xc4;
		*at++ = (first & 0xe0) | (1 + random_below(random, 3));
		break;
	default:
		*at++ = 0x62;
		*at++ = (first & 0xf0) | (1 + random_below(random, 3));
		*at++ = second | 4;
		*at++ = random_next(random);
		return at;
	}
	*at++ = second;
	return at;
}

static uint8_t *random_opcode(struct random *random, enum insn_class class, uint8_t *at)
{
	switch (class) {
	case CLASS_AVX:
		return random_vex(random, at);
	case CLASS_REP:
		*at++ = PICK(random, strings);
		return at;
	case CLASS_BRANCHES:
		*at++ = PICK(random, branches);
		if (at[-1] == 0x70 && one_in(random, 2)) {
			at[-1] = 0x0f;
			*at++ = 0x80 + random_below(random, 16);
		}
		return at;
	case CLASS_FAR_BRANCHES:
		*at++ = PICK(random, far_branches);
		return at;
	case CLASS_PUSHED_FLAGS:
		*at++ = 0x9c;
		return at;
	case CLASS_UMIP:
		*at++ = 0x0f;
		*at++ = random_below(random, 2);
		return at;
	case CLASS_VECTOR:
		if (one_in(random, 6)) {
			*at++ = 0xd8 + random_below(random, 8);
			return at;
		}
		*at++ = 0x0f;
		if (one_in(random, 3))
			*at++ = one_in(random, 2) ? 0x38 : 0x3a;
		return at;
	case CLASS_PREFIXES:
		if (one_in(random, 4)) {
			*at++ = PICK(random, branches);
			return at;
		}
		break;
	default:
		break;
	}
	/* The opcode itself is as random as all that follows. */
	if (one_in(random, 4))
		*at++ = 0x0f;
	return at;
}

static void random_insn(struct random *random, enum insn_class class, uint8_t *bytes)
{
	uint8_t *at;

	for (unsigned int i = 0; i < INSN_MOST_BYTES; i++)
		bytes[i] = random_next(random);
	at = random_prefixes(random, class, bytes);
	random_opcode(random, class, at);
}

/* Takes an instruction of @text, and changes one of its bytes as often as not. */
static bool mutated_insn(struct random *random, const struct text *text, uint8_t *bytes)
{
	size_t at = random_below(random, text->size);
	struct shape shape;

	/* From any byte on, one soon meets an instruction that was meant. */
	for (unsigned int i = random_below(random, 16) + 8; i; i--) {
		if (at + 2 * INSN_MOST_BYTES > text->size ||
		    !shape_of(text->start + at, &shape))
			return false;
		at += shape.length;
	}
	memcpy(bytes, text->start + at, INSN_MOST_BYTES);
	if (one_in(random, 2) && shape_of(bytes, &shape))
		bytes[random_below(random, shape.length)] ^= one_in(random, 2) ?
			1 << random_below(random, 8) : random_next(random);
	return true;
}

bool cpu_make_insn(struct random *random, enum insn_class class, const struct text *text,
		   uintptr_t site, const struct arena *arena, struct fuzz_insn *insn)
{
	struct shape shape;

	if (text) {
		if (!mutated_insn(random, text, insn->bytes))
			return false;
	} else {
		random_insn(random, class, insn->bytes);
	}
	if (!shape_of(insn->bytes, &shape))
		return false;
	if (class == CLASS_RELATIVE && shape.modrm && one_in(random, 2)) {
		insn->bytes[shape.modrm] &= 0x38;
		insn->bytes[shape.modrm] |= 0x05;
		if (!shape_of(insn->bytes, &shape))
			return false;
	}
	if (class_of(insn->bytes, &shape) != class || !is_allowed(insn->bytes, &shape))
		return false;
	fix_addresses(random, insn->bytes, &shape, site, arena);
	insn->length = shape.length;
	return true;
}

struct known_insn {
	enum insn_class class;
	struct fuzz_insn insn;
};

static const struct known_insn known_insns[] = {
	/* mov %rdx, %rax */
	{ CLASS_GENERAL, { { 0x48, 0x89, 0xd0 }, 3 } },
	/* rep stosb, rep movsq, repne scasb */
	{ CLASS_REP, { { 0xf3, 0xaa }, 2 } },
	{ CLASS_REP, { { 0xf3, 0x48, 0xa5 }, 3 } },
	{ CLASS_REP, { { 0xf2, 0xae }, 2 } },
	{ CLASS_PUSHED_FLAGS, { { 0x9c }, 1 } },
	{ CLASS_PUSHED_FLAGS, { { 0x66, 0x9c }, 2 } },
	/* vpor, vzeroupper, vpcmpeqb, vmovdqu: without VEX, these would be branches */
	{ CLASS_AVX, { { 0xc5, 0xe9, 0xeb, 0x23 }, 4 } },
	{ CLASS_AVX, { { 0xc5, 0xf8, 0x77 }, 3 } },
	{ CLASS_AVX, { { 0xc5, 0xe9, 0x74, 0x23 }, 4 } },
	{ CLASS_AVX, { { 0xc5, 0xfa, 0x7f, 0x13 }, 4 } },
	/* lcall *(%rdi) with a 64-bit offset, ljmp *(%rdi), lret */
	{ CLASS_FAR_BRANCHES, { { 0x48, 0xff, 0x1f }, 3 } },
	{ CLASS_FAR_BRANCHES, { { 0xff, 0x2f }, 2 } },
	{ CLASS_FAR_BRANCHES, { { 0xcb }, 1 } },
	/* call with two REX */
	{ CLASS_PREFIXES, { { 0x45, 0x47, 0xe8, 0, 0, 1, 0 }, 7 } },
	/* sgdt, smsw, str */
	{ CLASS_UMIP, { { 0x0f, 0x01, 0x06 }, 3 } },
	{ CLASS_UMIP, { { 0x0f, 0x01, 0xe0 }, 3 } },
	{ CLASS_UMIP, { { 0x0f, 0x00, 0xc8 }, 3 } },
};

bool cpu_known_insn(enum insn_class class, unsigned int index, struct fuzz_insn *insn)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(known_insns); i++) {
		if (known_insns[i].class == class && !index--) {
			*insn = known_insns[i].insn;
			return true;
		}
	}
	return false;
}

unsigned int cpu_site(unsigned int place)
{
	/* The last instruction of each page may cross to the next one. */
	if (place % (4096 / PLACE_BYTES) == 4096 / PLACE_BYTES - 1)
		return PLACE_BYTES - 1 - place / PLACE_BYTES * 4 % INSN_MOST_BYTES;
	return 16 + place % 32;
}

void cpu_fill_traps(uint8_t *code, size_t size)
{
	memset(code, HLT, size);
}

bool cpu_refuses_with(int error)
{
	return error == ENOTSUPP || error == ENOEXEC;
}
