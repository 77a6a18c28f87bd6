/* What the guard has in place of a C library: system calls for three processors, and the little that reads /proc. */
typedef __u8 u8;
typedef __s32 i32;
typedef __u32 u32;
typedef __s64 i64;
typedef __u64 u64;

#define SOL_SOCKET 1
#define SCM_RIGHTS 1
#define MSG_CTRUNC 0x8
#define MSG_DONTWAIT 0x40
#define MSG_NOSIGNAL 0x4000
#define MSG_CMSG_CLOEXEC 0x40000000

struct iovec { void *base; u64 length; };
struct cmsghdr { u64 length; i32 level, type; };
struct msghdr {
    void *name;
    u64 name_length;
    struct iovec *parts;
    u64 part_count;
    void *control;
    u64 control_length;
    u32 flags, pad;
};

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call guard\n");
static long sys6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x29, #0\n mov x30, #0\n mov x0, sp\n bl guard\n");
static long sys6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
#elif defined(__riscv) && __riscv_xlen == 64
__asm__(".globl _start\n_start:\n.option push\n.option norelax\n la gp, __global_pointer$\n.option pop\n mv a0, sp\n"
        " call guard\n");
static long sys6(long number, long a, long b, long c, long d, long e, long f)
{
    register long a7 __asm__("a7") = number;
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d;
    register long a4 __asm__("a4") = e;
    register long a5 __asm__("a5") = f;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
    return a0;
}
#else
#error "the guard knows the system calls of x86-64, AArch64 and 64-bit RISC-V"
#endif

static long sys(long number, long a, long b, long c, long d, long e)
{
    return sys6(number, a, b, c, d, e, 0);
}

static int failed(long result)
{
    return result < 0 && result > -4096;
}

static void leave(int status)
{
    for (;;)
        sys(__NR_exit_group, status, 0, 0, 0, 0);
}

static i64 now(void)
{
    struct __kernel_timespec time;
    sys(__NR_clock_gettime, CLOCK_MONOTONIC, (long)&time, 0, 0, 0);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* The compiler calls these two of its own accord. `volatile`, so that it does not make them call themselves. */
void *memset(void *to, int value, unsigned long count)
{
    for (volatile u8 *at = to; count; count--)
        *at++ = (u8)value;
    return to;
}

void *memcpy(void *to, const void *from, unsigned long count)
{
    volatile u8 *at = to;
    for (const u8 *next = from; count; count--)
        *at++ = *next++;
    return to;
}
