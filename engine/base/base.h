/* SPDX-License-Identifier: MIT
 *
 * What every file may use without asking: attributes, small macros, and the ceilings that hold
 * wherever a client could otherwise choose a size.
 */
#ifndef MW_BASE_H
#define MW_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_VERSION "0.1.0"

#define MW_MUSTCHECK	__attribute__((warn_unused_result))
#define MW_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define MW_NORETURN	__attribute__((noreturn))
#define MW_COLD		__attribute__((cold))
#define MW_UNUSED	__attribute__((unused))

#define MW_LEN(array)			   (sizeof(array) / sizeof((array)[0]))
#define MW_MIN(a, b)			   ((a) < (b) ? (a) : (b))
#define MW_MAX(a, b)			   ((a) > (b) ? (a) : (b))
#define mw_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* A broken invariant: says where and aborts, in every build. Never for what a client can cause. */
#define mw_require(cond) ((cond) ? (void)0 : mw_require_failed(#cond, __FILE__, __LINE__))
MW_NORETURN MW_COLD void mw_require_failed(const char *cond, const char *file, int line);

/* Ceilings. Tests build with tiny ones to meet the edges. */
#ifndef MW_MAX_HEAD
#define MW_MAX_HEAD (64 * 1024) /* bytes of a request head */
#endif
#ifndef MW_MAX_HEADERS
#define MW_MAX_HEADERS 128 /* header lines in one head */
#endif
#ifndef MW_MAX_BODY
#define MW_MAX_BODY (64u << 20) /* bytes of a request body, unless the settings say otherwise */
#endif
#ifndef MW_MAX_REPLY
#define MW_MAX_REPLY (64u << 20) /* bytes of a whole upstream reply */
#endif
#ifndef MW_MAX_EVENT
#define MW_MAX_EVENT (16u << 20) /* bytes of one server-sent event */
#endif
#ifndef MW_MAX_DEPTH
#define MW_MAX_DEPTH 128 /* nesting of a JSON text */
#endif
#ifndef MW_MAX_MEMBERS
#define MW_MAX_MEMBERS 65536 /* members of one JSON object: each is compared with the others */
#endif

#endif
