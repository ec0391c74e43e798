// SPDX-License-Identifier: GPL-2.0
/*
 * Which boosted slots are needed, and where the tasks of a process are that may
 * be in one. See kernel/events/uprobes_xol/boosted.rs.
 */
#include <linux/jiffies.h>
#include <linux/ptrace.h>
#include <linux/rcupdate_trace.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/smp.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include <linux/uprobes_boost.h>
#include <linux/uprobes_xol.h>
#include <linux/wait.h>

unsigned long uprobe_xol_now(void)
{
	return jiffies;
}

/* A hit is an RCU Tasks Trace reader: see handle_swbp(). */
unsigned long uprobe_xol_start_grace(void)
{
	return start_poll_synchronize_srcu(&rcu_tasks_trace_srcu_struct);
}

bool uprobe_xol_grace_is_over(unsigned long grace)
{
	return poll_state_synchronize_srcu(&rcu_tasks_trace_srcu_struct, grace);
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

/* A look at one task. */
struct look {
	struct task_struct	*task;
	struct mm_struct	*mm;	/* of the process */
	unsigned long		ip;
	int			cpu;	/* that the task runs on */
};

enum seen {
	SEEN_IP,
	SEEN_OUTSIDE,	/* and it does not come back to the process */
	SEEN_RUNNING,	/* elsewhere, so that it has to be interrupted */
};

/* The task neither wakes up nor stops running meanwhile, nor does its stack go. */
static int look_at_fixed(struct task_struct *t, void *arg)
{
	struct look *look = arg;

	if (READ_ONCE(t->mm) != look->mm)
		return SEEN_OUTSIDE;
	if (t != current && task_curr(t)) {
		look->cpu = task_cpu(t);
		return SEEN_RUNNING;
	}
	look->ip = instruction_pointer(task_pt_regs(t));
	return SEEN_IP;
}

static void look_at_current(void *arg)
{
	struct look *look = arg;

	if (current != look->task)
		return;
	look->ip = instruction_pointer(task_pt_regs(current));
	/* Seen */
	look->task = NULL;
}

/* A task that runs may be gone before its CPU is interrupted, but not often. */
#define TRIES	100

static int look_at(struct look *look)
{
	struct task_struct *t = look->task;

	for (int i = 0; i < TRIES; i++) {
		int seen = task_call_func(t, look_at_fixed, look);

		if (seen != SEEN_RUNNING)
			return seen;
		smp_call_function_single(look->cpu, look_at_current, look, true);
		if (!look->task)
			return SEEN_IP;
	}
	return SEEN_RUNNING;
}

/*
 * A task that is made meanwhile begins where the system call returns to which
 * makes it, and not in a slot.
 */
bool uprobe_xol_visit_ips(void (*visit)(void *data, unsigned long ip), void *data)
{
	struct mm_struct *mm = current->mm;
	struct task_struct *p, *t;

	if (!mm)
		return true;

	guard(rcu)();
	for_each_process_thread(p, t) {
		struct look look = { .task = t, .mm = mm };
		int seen;

		if (READ_ONCE(t->mm) != mm)
			continue;
		seen = look_at(&look);
		if (seen == SEEN_RUNNING)
			return false;
		if (seen == SEEN_IP)
			visit(data, look.ip);
	}
	return true;
}
