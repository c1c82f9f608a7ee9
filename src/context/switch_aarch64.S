/*
 * The switch for aarch64 (AAPCS64, ELF). Saves what a call must preserve: x19-x30, d8-d15 and the
 * control register of the floating point unit. A context switched out looks like this:
 *
 *   sp + 0    x19 ... x28
 *   sp + 80   x29, x30: where it continues; its stack pointer is then sp + 176
 *   sp + 96   d8 ... d15
 *   sp + 160  fpcr, 8 bytes unused
 */
#if defined(__aarch64__) && defined(__LP64__) && defined(__ELF__) && !defined(MOUV_CONTEXT_UCONTEXT)

#define BTI_C hint #34                  /* no-ops before armv8.5 */
#define BTI_J hint #36

        .text

/* void mouv__switch_prepare(mouv__context_t *ctx [x0], void *low [x1], void *top [x2],
                             mouv__switch_begin_fn begin [x3]) */
        .globl  mouv__switch_prepare
        .hidden mouv__switch_prepare
        .type   mouv__switch_prepare, %function
        .p2align 4
mouv__switch_prepare:
        .cfi_startproc
        BTI_C
        sub     x2, x2, #192            /* the frame, and 16 bytes of nothing above it */
        stp     x0, x3, [x2]            /* x19: the context, x20: where it begins */
        stp     xzr, xzr, [x2, #16]
        stp     xzr, xzr, [x2, #32]
        stp     xzr, xzr, [x2, #48]
        stp     xzr, xzr, [x2, #64]
        adr     x4, .Lbegin
        stp     xzr, x4, [x2, #80]      /* x29: 0 ends a walk along frame pointers */
        stp     xzr, xzr, [x2, #96]
        stp     xzr, xzr, [x2, #112]
        stp     xzr, xzr, [x2, #128]
        stp     xzr, xzr, [x2, #144]
        mrs     x4, fpcr
        stp     x4, xzr, [x2, #160]
        stp     xzr, xzr, [x2, #176]
        str     x2, [x0]
        ret
        .cfi_endproc
        .size   mouv__switch_prepare, . - mouv__switch_prepare

/* void mouv__switch_jump(mouv__context_t *from [x0], mouv__context_t *to [x1]) */
        .globl  mouv__switch_jump
        .hidden mouv__switch_jump
        .type   mouv__switch_jump, %function
        .p2align 4
mouv__switch_jump:
        .cfi_startproc
        BTI_C
        sub     sp, sp, #176
        .cfi_adjust_cfa_offset 176
        stp     x19, x20, [sp]
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x20, 8
        stp     x21, x22, [sp, #16]
        .cfi_rel_offset x21, 16
        .cfi_rel_offset x22, 24
        stp     x23, x24, [sp, #32]
        .cfi_rel_offset x23, 32
        .cfi_rel_offset x24, 40
        stp     x25, x26, [sp, #48]
        .cfi_rel_offset x25, 48
        .cfi_rel_offset x26, 56
        stp     x27, x28, [sp, #64]
        .cfi_rel_offset x27, 64
        .cfi_rel_offset x28, 72
        stp     x29, x30, [sp, #80]
        .cfi_rel_offset x29, 80
        .cfi_rel_offset x30, 88
        stp     d8, d9, [sp, #96]
        .cfi_rel_offset d8, 96
        .cfi_rel_offset d9, 104
        stp     d10, d11, [sp, #112]
        .cfi_rel_offset d10, 112
        .cfi_rel_offset d11, 120
        stp     d12, d13, [sp, #128]
        .cfi_rel_offset d12, 128
        .cfi_rel_offset d13, 136
        stp     d14, d15, [sp, #144]
        .cfi_rel_offset d14, 144
        .cfi_rel_offset d15, 152
        mrs     x3, fpcr
        str     x3, [sp, #160]
        mov     x2, sp
        str     x2, [x0]

        /* Both stacks have the same layout here, so the unwind rules hold on either side. */
        ldr     x2, [x1]
        mov     sp, x2

        ldr     x4, [sp, #160]
        cmp     x4, x3
        b.eq    .Lfpcr_kept             /* writing it is slow, and it hardly ever differs */
        msr     fpcr, x4
.Lfpcr_kept:
        ldp     x19, x20, [sp]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #176
        .cfi_def_cfa_offset 0
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
        ret
        .cfi_endproc
        .size   mouv__switch_jump, . - mouv__switch_jump

/* The oldest frame of every stack: has no caller, and says so to whoever unwinds. */
        .type   mouv__switch_begin, %function
        .p2align 4
mouv__switch_begin:
        .cfi_startproc
        .cfi_undefined x30
        nop                             /* unwinders look before an address to return to */
.Lbegin:
        BTI_J
        mov     x0, x19
        blr     x20
        brk     #1
        .cfi_endproc
        .size   mouv__switch_begin, . - mouv__switch_begin

/* Every way in has a landing pad, so this file need not turn BTI off for the program. */
#if defined(__ARM_FEATURE_BTI_DEFAULT)
        .section .note.gnu.property, "a", %note
        .p2align 3
        .word   4, 16, 5
        .asciz  "GNU"
        .word   0xc0000000, 4, 1, 0     /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */
#endif

#endif

#if defined(__ELF__)
        .section .note.GNU-stack, "", %progbits
#endif
