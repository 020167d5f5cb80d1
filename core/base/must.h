/* must.h: assertions that stay on in release builds.
 *
 * must(x) is for what only our own code can break.  What a peer can cause is an error code and a
 * drop counter; what the machine can cause (a disk, a full table of the kernel) fails the
 * partition or the process with a log line.  A broken must() prints the place and aborts: the
 * supervisor restarts the process and recovery decides what is true. */
#ifndef SLUICE_BASE_MUST_H
#define SLUICE_BASE_MUST_H

#define must_check              __attribute__((warn_unused_result))
#define must_printf(fmt, first) __attribute__((format(printf, fmt, first)))

/* Prints "file:line: must(text)" to stderr and aborts.  Never returns. */
_Noreturn void must_fail(const char *file, int line, const char *text);

#define must(x) ((x) ? (void)0 : must_fail(__FILE__, __LINE__, #x))

#endif
