// SPDX-License-Identifier: GPL-2.0
/*
 * The C part of boosted slots: how a task gets into a slot and out of it, which ip
 * observers see during a boosted hit, and which tasks are in boosted slots. See
 * Documentation/trace/uprobes-xol-design.rst.
 */
#include <linux/atomic.h>
#include <linux/kmsan-checks.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/rseq.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uprobes_boost.h>

#include "../uprobes_xol.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "uprobes."

bool uprobe_boost_enabled __read_mostly = true;
module_param_named(boost, uprobe_boost_enabled, bool, 0644);

u64 uprobe_boost_key(const struct arch_uprobe *arch)
{
	static atomic64_t number = ATOMIC64_INIT(UPROBE_BOOST_FIRST_KEY);
	u8 boosted = arch_uprobe_boost(arch);

	if (!boosted)
		return 0;
	/* The number is never used again: a uprobe may get the address of another. */
	return atomic64_inc_return(&number) << UPROBE_BOOST_KEY_SHIFT | boosted;
}

static void boost_free(struct uprobe_boosted *boosted)
{
	put_pid(boosted->tgid);
	uprobe_boosted_free(boosted);
}

static struct uprobe_boosted *boost_create(void)
{
	struct uprobe_boosted *boosted = uprobe_boosted_create(), *old = NULL;

	if (!boosted)
		return NULL;
	/* KMSAN does not see what Rust writes. */
	kmsan_unpoison_memory(boosted, sizeof(*boosted));
	boosted->tgid = get_task_pid(current, PIDTYPE_TGID);
	/*
	 * Full. As a release it pairs with the reads of this pointer, which dereference it.
	 * The barrier also orders it before the caller's check whether the probe was removed.
	 */
	if (try_cmpxchg(&current->mm->uprobes_state.boosted, &old, boosted))
		return boosted;
	boost_free(boosted);
	return old;
}

unsigned long uprobe_boost_make(struct uprobe *uprobe, u64 key, const struct arch_uprobe *arch,
				unsigned long bp_vaddr)
{
	struct uprobe_boosted *boosted = READ_ONCE(current->mm->uprobes_state.boosted);
	unsigned long made;

	/* A child process may have breakpoints that nothing removes. */
	if (!uprobe_is_wanted(uprobe))
		return 0;
	if (!boosted)
		boosted = boost_create();
	if (!boosted)
		return 0;
	made = uprobe_boosted_make(boosted, key, arch, bp_vaddr);
	/*
	 * When no consumer wants the probe any more, its breakpoint is removed and its
	 * slot is retired. This slot may have been made too late for that.
	 */
	if (made && !uprobe_is_wanted(uprobe))
		uprobe_boosted_remove(boosted, key, bp_vaddr);
	return made == UPROBE_BOOST_STEPPED ? 0 : made;
}

void uprobe_boost_removed(struct mm_struct *mm, u64 key, unsigned long bp_vaddr)
{
	struct uprobe_boosted *boosted = READ_ONCE(mm->uprobes_state.boosted);

	if (key && boosted)
		uprobe_boosted_remove(boosted, key, bp_vaddr);
}

void uprobe_free_boosted(struct mm_struct *mm)
{
	struct uprobe_boosted *boosted = mm->uprobes_state.boosted;

	mm->uprobes_state.boosted = NULL;
	if (boosted)
		boost_free(boosted);
}

static bool boost_at(unsigned long ip, struct uprobe_boost_place *place)
{
	struct mm_struct *mm = current->mm;
	struct uprobe_boosted *boosted = mm ? READ_ONCE(mm->uprobes_state.boosted) : NULL;

	if (!boosted ||
	    !(READ_ONCE(boosted->filter) >> (ip >> UPROBE_BOOST_AREA_SHIFT) % 64 & 1) ||
	    !uprobe_boosted_at(boosted, ip, place))
		return false;
	/* KMSAN does not see what Rust writes. */
	kmsan_unpoison_memory(place, sizeof(*place));
	return true;
}

/* Finds the slot at @ip, and the program's ip. False if no task can be in a slot there. */
static bool boost_program_ip(unsigned long ip, struct uprobe_boost_place *place,
			     unsigned long *program_ip)
{
	unsigned long offset;

	if (!boost_at(ip, place))
		return false;
	offset = ip - place->vaddr;
	/* The second granule holds the same instruction. */
	if (place->boost & UPROBE_BOOST_REP && offset >= UPROBE_BOOST_GRANULE)
		offset -= UPROBE_BOOST_GRANULE;
	*program_ip = place->bp_vaddr + offset;
	return offset == 0 || offset == (place->boost & UPROBE_BOOST_LENGTH);
}

static bool boost_is_stepping(void)
{
	return current->utask && current->utask->state != UTASK_RUNNING;
}

/* During a step, this is the address in the slot, whatever kind of slot it is. */
unsigned long __uprobe_boosted_ip(struct pt_regs *regs)
{
	unsigned long ip = instruction_pointer(regs), program_ip;
	struct uprobe_boost_place place;

	if (!user_mode(regs) || boost_is_stepping() || !boost_program_ip(ip, &place, &program_ip))
		return ip;
	return program_ip;
}

void __uprobe_boost_fault(void)
{
	struct pt_regs *regs = task_pt_regs(current);
	unsigned long ip = instruction_pointer(regs), program_ip;
	struct uprobe_boost_place place;

	/* The end of a step does the same. */
	if (boost_is_stepping() || (current->utask && current->utask->boosted))
		return;
	if (boost_program_ip(ip, &place, &program_ip) && program_ip == place.bp_vaddr)
		instruction_pointer_set(regs, program_ip);
}

/*
 * The current task is about to handle a signal, whose handler must not see the task in a
 * boosted slot. If the task has executed the instruction, its ip moves to the jump's
 * target. If the task is being killed, its ip moves to the breakpoint. Otherwise the task
 * steps the instruction in the slot and then handles the signal: it must not hit the
 * probe again, whose handlers have run. A restartable sequence is aborted before the
 * step, as it would be for the signal.
 */
void uprobe_leave_boosted(void)
{
	struct uprobe_task *utask = current->utask;
	struct pt_regs *regs = task_pt_regs(current);
	unsigned long ip = instruction_pointer(regs), program_ip;
	struct uprobe_boost_place place;
	/* Not SIGSEGV: an error of the sequence would then be fatal. */
	struct ksignal ksig = { };

	if (!boost_program_ip(ip, &place, &program_ip))
		return;

	if (program_ip != place.bp_vaddr) {
		arch_uprobe_boosted_leave(regs, program_ip);
		return;
	}

	if (!utask || __fatal_signal_pending(current)) {
		instruction_pointer_set(regs, program_ip);
		return;
	}

	/* From here on, ip stays in the slot: otherwise the slot might be reclaimed too early. */
	utask->boosted = true;

	/* During the step, ip would seem to be outside of the restartable sequence. */
	rseq_signal_deliver(&ksig, regs);
	if (instruction_pointer(regs) != ip) {
		utask->boosted = false;
		return;
	}
	utask->vaddr = place.bp_vaddr;
	utask->xol_vaddr = place.vaddr;
	arch_uprobe_boosted_step(uprobe_xol_arch(utask), regs, place.boost);
	utask->state = UTASK_SSTEP;
}

u64 uprobe_boost_key_at(struct mm_struct *mm, unsigned long bp_vaddr)
{
	struct vm_area_struct *vma = vma_lookup(mm, bp_vaddr);

	return vma && vma->vm_file ? vma_uprobe_key(vma, bp_vaddr) : 0;
}

/* A look at the tasks of a process */
struct boost_look {
	struct mm_struct	*mm;
	unsigned long		ip;
	int			cpu;	/* on which the task runs */
	struct task_struct	*task;	/* to be seen on that CPU; NULL: it was seen */
};

enum boost_seen {
	BOOST_SEEN_IP,
	BOOST_SEEN_OUTSIDE,	/* the task has left the process for good */
	BOOST_SEEN_RUNNING,	/* the task runs on a CPU, which must be interrupted */
};

/* The task does not wake up, stop running or lose its stack during the call. */
static int boost_look_fixed(struct task_struct *t, void *arg)
{
	struct boost_look *look = arg;

	if (READ_ONCE(t->mm) != look->mm)
		return BOOST_SEEN_OUTSIDE;
	if (task_curr(t)) {
		look->cpu = task_cpu(t);
		return BOOST_SEEN_RUNNING;
	}
	look->ip = instruction_pointer(task_pt_regs(t));
	return BOOST_SEEN_IP;
}

static void boost_look_current(void *arg)
{
	struct boost_look *look = arg;

	if (current != look->task)
		return;
	look->ip = instruction_pointer(task_pt_regs(current));
	/* Seen */
	look->task = NULL;
}

/* Attempts to interrupt a running task, which may stop running before the interrupt */
#define BOOST_TRIES	100

static int boost_look_at(struct boost_look *look, struct task_struct *t)
{
	for (int i = 0; i < BOOST_TRIES; i++) {
		int seen = task_call_func(t, boost_look_fixed, look);

		if (seen != BOOST_SEEN_RUNNING)
			return seen;
		look->task = t;
		smp_call_function_single(look->cpu, boost_look_current, look, true);
		if (!look->task)
			return BOOST_SEEN_IP;
	}
	return BOOST_SEEN_RUNNING;
}

/* A walk over the tasks of a process, which remembers the tasks that were running */
struct boost_walk {
	struct boost_look	look;
	void			(*visit)(void *data, unsigned long ip);
	void			*data;
	struct task_struct	**running;
	unsigned int		number, room;
	bool			all;
};

static void boost_walk_threads(struct boost_walk *walk, struct task_struct *p)
{
	struct task_struct *t;

	for_each_thread(p, t) {
		struct mm_struct *mm = READ_ONCE(t->mm);
		int seen;

		if (!mm)
			continue;
		/* All threads of a process have the same mm. */
		if (mm != walk->look.mm)
			return;
		seen = task_call_func(t, boost_look_fixed, &walk->look);
		if (seen == BOOST_SEEN_IP)
			walk->visit(walk->data, walk->look.ip);
		else if (seen == BOOST_SEEN_RUNNING && walk->number < walk->room)
			walk->running[walk->number++] = get_task_struct(t);
		else if (seen == BOOST_SEEN_RUNNING)
			walk->all = false;
	}
}

/* Threads that are counted with interrupts disabled, at most */
#define BOOST_COUNTED	1024

/*
 * Do only the caller and threads of @p have references to @mm? Then no other process has
 * this memory. May be false although it is so: a task that looks at the memory has a
 * reference, and so has a thread that is being created.
 *
 * A thread has its reference before it joins the process, which it does under siglock.
 */
static bool boost_is_alone(struct task_struct *p, struct mm_struct *mm)
{
	unsigned int users, own = 0;
	struct task_struct *t;
	unsigned long flags;

	if (get_nr_threads(p) > BOOST_COUNTED || !lock_task_sighand(p, &flags))
		return false;

	/* One of the users is the caller. */
	users = atomic_read(&mm->mm_users) - 1;
	/*
	 * Pairs with the full barrier in mmput(). A thread that exits clears its mm first, so
	 * that it is not counted here unless its reference is among the users
	 * (litmus/boost-alone.litmus).
	 */
	smp_rmb();
	for_each_thread(p, t)
		own += READ_ONCE(t->mm) == mm;
	unlock_task_sighand(p, &flags);
	return own == users;
}

/*
 * A task that is created during the call begins at the return from the system call that
 * creates it, not in a slot. The tasks that run are looked at last, outside of the
 * read-side section of RCU.
 */
bool uprobe_boost_visit_ips(struct mm_struct *mm,
			    void (*visit)(void *data, unsigned long ip), void *data)
{
	struct boost_walk walk = {
		.look.mm = mm, .visit = visit, .data = data, .all = true,
		/* More tasks may begin to run. If there is no room, the caller tries again. */
		.room = atomic_read(&mm->mm_users) + num_online_cpus(),
	};
	struct task_struct *own, *p;

	walk.running = kvmalloc_array(walk.room, sizeof(*walk.running), GFP_KERNEL);
	if (!walk.running)
		return false;

	rcu_read_lock();
	own = pid_task(mm->uprobes_state.boosted->tgid, PIDTYPE_TGID);
	if (own)
		boost_walk_threads(&walk, own);
	if (!own || !boost_is_alone(own, mm)) {
		for_each_process(p) {
			if (p != own)
				boost_walk_threads(&walk, p);
		}
	}
	rcu_read_unlock();

	for (unsigned int i = 0; i < walk.number; i++) {
		int seen = boost_look_at(&walk.look, walk.running[i]);

		if (seen == BOOST_SEEN_IP)
			visit(data, walk.look.ip);
		else if (seen == BOOST_SEEN_RUNNING)
			walk.all = false;
		put_task_struct(walk.running[i]);
	}
	kvfree(walk.running);
	return walk.all;
}
