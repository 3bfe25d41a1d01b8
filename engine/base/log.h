/* SPDX-License-Identifier: MIT
 *
 * The log: one line an event to standard error, `TIME LEVEL GROUP MESSAGE`. Lines are whole however
 * many threads write. Nothing that could hold a secret is ever given to it: no key, no prompt, no
 * header value, no body. Thread-safe.
 */
#ifndef MW_LOG_H
#define MW_LOG_H

#include "base/str.h"

enum mw_log_level { MW_LOG_DEBUG, MW_LOG_INFO, MW_LOG_WARN, MW_LOG_ERROR, MW_LOG_OFF };

void mw_log_set_level(enum mw_log_level level);
bool mw_log_on(enum mw_log_level level); /* is anybody listening? */
bool mw_log_level_of(struct mw_str word, enum mw_log_level *out) MW_MUSTCHECK; /* "debug" … "off" */

/* `group` names the file that speaks ("worker", "policy"). Control characters in the message are
 * written as \xNN, so that nobody can forge a line. */
void mw_log(enum mw_log_level level, const char *group, const char *fmt, ...) MW_PRINTF(3, 4);

/* The line of a call, at level info: collected per thread and written out together with others,
 * because a system call for each would cost as much as the rest of the logging. mw_log_flush writes
 * what this thread has collected. */
void mw_log_call(struct mw_str message);
void mw_log_flush(void);

#endif
