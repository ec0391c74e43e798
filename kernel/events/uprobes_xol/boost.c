// SPDX-License-Identifier: GPL-2.0
/*
 * Boosted slots, as far as the uprobe core and the tasks of a process are
 * concerned: how a task gets into one and out of it, what ip is shown meanwhile,
 * and which tasks are in one. See Documentation/trace/uprobes-xol-design.rst.
 */
#include <linux/kmsan-checks.h>
#include <linux/moduleparam.h>
#include <linux/ptrace.h>
#include <linux/rcupdate_trace.h>
#include <linux/rseq.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/signal.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/uprobes_boost.h>

#include "../uprobes_xol.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "uprobes."

static bool boost __read_mostly = true;
module_param(boost, bool, 0644);

/*
 * Nothing is left to do after the instruction: for all that the core knows, the
 * task does not execute anything out of line.
 */
bool __uprobe_boost(const struct arch_uprobe *arch, struct pt_regs *regs)
{
	struct xol_area *area;
	unsigned long next, vaddr;

	if (!READ_ONCE(boost))
		return false;

	next = arch_uprobe_boost_next(arch, regs);
	if (!next)
		return false;

	area = uprobe_xol_get_area();
	if (!area)
		return false;

	vaddr = uprobe_xol_boost(area, arch, next);
	if (!vaddr)
		return false;

	instruction_pointer_set(regs, vaddr);
	return true;
}

static bool boost_at(unsigned long ip, struct uprobe_xol_boosted *boosted)
{
	struct mm_struct *mm = current->mm;
	/* Pairs with the release in uprobe_xol_add_vma() */
	struct xol_area *area = mm ? READ_ONCE(mm->uprobes_state.xol_area) : NULL;

	if (!area || !uprobe_xol_boosted_at(area, ip, boosted))
		return false;
	/* KMSAN does not see what Rust writes. */
	kmsan_unpoison_memory(boosted, sizeof(*boosted));
	return true;
}

unsigned long uprobe_boosted_ip(struct pt_regs *regs)
{
	unsigned long ip = instruction_pointer(regs);
	struct uprobe_xol_boosted boosted;
	unsigned int jump;

	if (!user_mode(regs) || !boost_at(ip, &boosted))
		return ip;

	jump = arch_uprobe_boosted_jump(&boosted.arch);
	if (ip == boosted.vaddr)
		return boosted.next - jump;
	return ip == boosted.vaddr + jump ? boosted.next : ip;
}

/*
 * Did the instruction that the current task is at force a signal upon it? A task
 * that gets these signals with another code, for example from a handler of the
 * probe, has not executed the instruction yet. SI_KERNEL is ambiguous, but such a
 * fault will happen again.
 */
static bool boost_has_faulted(void)
{
	const unsigned long faults = sigmask(SIGSEGV) | sigmask(SIGBUS) |
				     sigmask(SIGILL) | sigmask(SIGFPE);
	struct sigqueue *q;

	guard(spinlock_irq)(&current->sighand->siglock);
	list_for_each_entry(q, &current->pending.list, list) {
		int sig = q->info.si_signo;

		if (q->info.si_code <= SI_USER || q->info.si_code == SI_KERNEL ||
		    (sig == SIGBUS && q->info.si_code == BUS_MCEERR_AO))
			continue;
		if (siginmask(sig, faults) && !sigismember(&current->blocked, sig))
			return true;
	}
	return false;
}

/*
 * The current task is about to handle a signal, and no handler may see it in a
 * boosted slot. If it executed the instruction, it takes the jump as well. If the
 * instruction faulted, or the task is being killed, the task is back at its
 * breakpoint. Otherwise it steps the instruction before it handles the signal; but
 * a restartable sequence is aborted at once, as it would be for the signal.
 */
void uprobe_leave_boosted(void)
{
	struct task_struct *t = current;
	struct pt_regs *regs = task_pt_regs(t);
	unsigned long ip = instruction_pointer(regs), bp_vaddr;
	struct uprobe_xol_boosted boosted;
	/* Not SIGSEGV: an error of the sequence would then be fatal. */
	struct ksignal ksig = { };
	unsigned int jump;

	if (!boost_at(ip, &boosted))
		return;

	jump = arch_uprobe_boosted_jump(&boosted.arch);
	if (ip == boosted.vaddr + jump) {
		arch_uprobe_boosted_leave(regs, boosted.next);
		return;
	}

	/* User space may have jumped there itself. */
	if (ip != boosted.vaddr)
		return;

	bp_vaddr = boosted.next - jump;
	instruction_pointer_set(regs, bp_vaddr);
	if (!t->utask || __fatal_signal_pending(t) || boost_has_faulted())
		return;

	/* A task that steps looks as if it had left a restartable sequence. */
	rseq_signal_deliver(&ksig, regs);
	if (instruction_pointer(regs) != bp_vaddr)
		return;

	rcu_read_lock_trace();
	uprobe_begin_step(&boosted.arch, regs, bp_vaddr);
	rcu_read_unlock_trace();
}

bool uprobe_xol_is_probed(const struct arch_uprobe *arch, unsigned long next)
{
	unsigned long vaddr = next - arch_uprobe_boosted_jump(arch);
	uprobe_opcode_t opcode;

	if (!current->mm ||
	    copy_from_user_nofault(&opcode, (void __user *)vaddr, sizeof(opcode)))
		return false;
	return is_swbp_insn(&opcode);
}

/* A look at one task */
struct boost_look {
	struct task_struct	*task;
	struct mm_struct	*mm;	/* of the process */
	unsigned long		ip;
	int			cpu;	/* that the task runs on */
};

enum boost_seen {
	SEEN_IP,
	SEEN_OUTSIDE,	/* of the process, to which it does not come back */
	SEEN_RUNNING,	/* on another CPU, which must be interrupted */
};

/* The task does not wake up, stop running or lose its stack during the call. */
static int boost_look_fixed(struct task_struct *t, void *arg)
{
	struct boost_look *look = arg;

	if (READ_ONCE(t->mm) != look->mm)
		return SEEN_OUTSIDE;
	if (t != current && task_curr(t)) {
		look->cpu = task_cpu(t);
		return SEEN_RUNNING;
	}
	look->ip = instruction_pointer(task_pt_regs(t));
	return SEEN_IP;
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

/* A task may stop running before its CPU is interrupted, but not often. */
#define BOOST_TRIES	100

static int boost_look(struct boost_look *look)
{
	struct task_struct *t = look->task;

	for (int i = 0; i < BOOST_TRIES; i++) {
		int seen = task_call_func(t, boost_look_fixed, look);

		if (seen != SEEN_RUNNING)
			return seen;
		smp_call_function_single(look->cpu, boost_look_current, look, true);
		if (!look->task)
			return SEEN_IP;
	}
	return SEEN_RUNNING;
}

/*
 * A task that is created during the call begins where the system call that creates
 * it returns to, and not in a slot.
 */
bool uprobe_xol_visit_ips(void (*visit)(void *data, unsigned long ip), void *data)
{
	struct mm_struct *mm = current->mm;
	struct task_struct *p, *t;

	if (!mm)
		return true;

	guard(rcu)();
	for_each_process_thread(p, t) {
		struct boost_look look = { .task = t, .mm = mm };
		int seen;

		if (READ_ONCE(t->mm) != mm)
			continue;
		seen = boost_look(&look);
		if (seen == SEEN_RUNNING)
			return false;
		if (seen == SEEN_IP)
			visit(data, look.ip);
	}
	return true;
}
