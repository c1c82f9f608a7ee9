/*
 * The switch for x86-64 (System V, ELF). Saves what a call must preserve: rbx, rbp, r12-r15, the
 * control bits of mxcsr and the x87 control word. A context switched out looks like this:
 *
 *   sp + 0   mxcsr (4 bytes), x87 control word (2 bytes)
 *   sp + 8   r15, r14, r13, r12, rbx, rbp
 *   sp + 56  where it continues; its stack pointer is then sp + 64
 */
#if defined(__x86_64__) && defined(__LP64__) && defined(__ELF__) && !defined(MOUV_CONTEXT_UCONTEXT)

        .text

/* void mouv__switch_prepare(mouv__context_t *ctx [rdi], void *low [rsi], void *top [rdx],
                             mouv__switch_begin_fn begin [rcx]) */
        .globl  mouv__switch_prepare
        .hidden mouv__switch_prepare
        .type   mouv__switch_prepare, @function
        .p2align 4
mouv__switch_prepare:
        .cfi_startproc
        endbr64
        leaq    -80(%rdx), %rax
        xorl    %r8d, %r8d
        stmxcsr (%rax)
        fnstcw  4(%rax)
        movw    %r8w, 6(%rax)
        movq    %r8, 8(%rax)            /* r15 */
        movq    %r8, 16(%rax)           /* r14 */
        movq    %r8, 24(%rax)           /* r13 */
        movq    %rcx, 32(%rax)          /* r12: where it begins */
        movq    %rdi, 40(%rax)          /* rbx: the context */
        movq    %r8, 48(%rax)           /* rbp: 0 ends a walk along frame pointers */
        leaq    .Lbegin(%rip), %rsi
        movq    %rsi, 56(%rax)
        movq    %r8, 64(%rax)           /* nothing above the first frame */
        movq    %r8, 72(%rax)
        movq    %rax, (%rdi)
        ret
        .cfi_endproc
        .size   mouv__switch_prepare, . - mouv__switch_prepare

/* void mouv__switch_jump(mouv__context_t *from [rdi], mouv__context_t *to [rsi]) */
        .globl  mouv__switch_jump
        .hidden mouv__switch_jump
        .type   mouv__switch_jump, @function
        .p2align 4
mouv__switch_jump:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movl    (%rsp), %eax
        movzwl  4(%rsp), %ecx
        movq    %rsp, (%rdi)

        /* Both stacks have the same layout here, so the unwind rules hold on either side. */
        movq    (%rsi), %rsp

        /* Loading either is slow, and they hardly ever differ. */
        .cfi_remember_state
        xorl    (%rsp), %eax
        testl   $0xffc0, %eax           /* the exception flags below are not kept */
        jne     .Lload_mxcsr
.Lmxcsr_loaded:
        cmpw    4(%rsp), %cx
        jne     .Lload_control_word
.Lcontrol_word_loaded:
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        /* A jump, as a ret would go where this stack's caller is not: 4 ns a switch, not 15. */
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        notrack jmp *%rcx
.Lload_mxcsr:
        .cfi_restore_state
        ldmxcsr (%rsp)
        jmp     .Lmxcsr_loaded
.Lload_control_word:
        fldcw   4(%rsp)
        jmp     .Lcontrol_word_loaded
        .cfi_endproc
        .size   mouv__switch_jump, . - mouv__switch_jump

/* The oldest frame of every stack: has no caller, and says so to whoever unwinds. */
        .type   mouv__switch_begin, @function
        .p2align 4
mouv__switch_begin:
        .cfi_startproc
        .cfi_undefined %rip
        nop                             /* unwinders look one byte before an address to return to */
.Lbegin:
        endbr64
        movq    %rbx, %rdi
        call    *%r12
        ud2
        .cfi_endproc
        .size   mouv__switch_begin, . - mouv__switch_begin

#endif

#if defined(__ELF__)
        .section .note.GNU-stack, "", %progbits
#endif
