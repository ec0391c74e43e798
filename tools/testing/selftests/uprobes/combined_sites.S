/* SPDX-License-Identifier: GPL-2.0 */
/* Described in combined.h */

	.globl call_kernel, number_site, called_site, call_kernel_end
	.type call_kernel, @function
call_kernel:
number_site:
	mov %rdi, %rax
	syscall
called_site:
	mov %rax, %rdx
	mov %rdx, %rax
	ret
call_kernel_end:
	.size call_kernel, . - call_kernel

	.globl add_with_keys, add_site
	.type add_with_keys, @function
add_with_keys:
	mov %esi, %r8d
	xor %ecx, %ecx
	rdpkru
	mov %eax, %r9d
	mov %r8d, %eax
	xor %edx, %edx
	wrpkru
add_site:
	add $1, %rdi
	mov %r9d, %eax
	wrpkru
	mov %rdi, %rax
	ret
	.size add_with_keys, . - add_with_keys

	.section .note.GNU-stack, "", @progbits
