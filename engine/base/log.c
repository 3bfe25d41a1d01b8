/* SPDX-License-Identifier: MIT
 *
 * The log. A line is put together in a buffer of its own and leaves in one write.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 2048, BATCH = 16384 };

static _Atomic int threshold = MW_LOG_INFO;
static _Thread_local char batch[BATCH];
static _Thread_local size_t batched;

static const char *const words[] = {"debug", "info", "warn", "error", "off"};

void mw_log_set_level(enum mw_log_level level)
{
	atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

bool mw_log_on(enum mw_log_level level)
{
	return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

bool mw_log_level_of(struct mw_str word, enum mw_log_level *out)
{
	for (size_t i = 0; i < MW_LEN(words); i++)
		if (mw_str_ieq(word, mw_str(words[i]))) {
			*out = (enum mw_log_level)i;
			return true;
		}
	return false;
}

static void write_all(const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(STDERR_FILENO, p, n);
		if (done < 0 && errno == EINTR) /* the watchdog's signal, say */
			continue;
		if (done <= 0)
			return; /* nobody left to tell */
		p += done;
		n -= (size_t)done;
	}
}

/* Writes the time and a space. */
static size_t put_time(char *to)
{
	static _Thread_local time_t second;
	static _Thread_local char text[24];
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	if (t.tv_sec != second) {
		struct tm tm;
		gmtime_r(&t.tv_sec, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		second = t.tv_sec;
	}
	size_t n = strlen(text);
	unsigned ms = (unsigned)(t.tv_nsec / 1000000);
	memcpy(to, text, n);
	to[n++] = '.';
	to[n++] = (char)('0' + ms / 100);
	to[n++] = (char)('0' + ms / 10 % 10);
	to[n++] = (char)('0' + ms % 10);
	to[n++] = 'Z';
	to[n++] = ' ';
	return n;
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Writes a message into `to` with control characters escaped; ends it with a line end. */
static size_t put_message(char *to, size_t room, struct mw_str message)
{
	size_t at = 0, i = 0;
	while (i < message.n && at + 6 < room) {
		size_t from = i, end = MW_MIN(message.n, i + room - 6 - at);
		while (i < end && !is_control(message.p[i]))
			i++;
		memcpy(to + at, message.p + from, i - from);
		at += i - from;
		if (i < end)
			at += (size_t)snprintf(
			    to + at, room - at, "\\x%02x", (unsigned char)message.p[i++]);
	}
	to[at++] = '\n';
	return at;
}

void mw_log(enum mw_log_level level, const char *group, const char *fmt, ...)
{
	if (!mw_log_on(level))
		return;
	mw_log_flush(); /* keep the order of what this thread says */
	char line[LINE + 128], message[LINE];
	va_list ap;
	va_start(ap, fmt);
	int length = vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (length < 0)
		return;
	size_t n = put_time(line);
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%-5s %s ", words[level], group);
	n += put_message(line + n, sizeof(line) - n,
	    mw_strn(message, MW_MIN((size_t)length, sizeof(message) - 1)));
	write_all(line, n);
}

void mw_log_call(struct mw_str message)
{
	static const char group[] = "info  call ";
	if (!mw_log_on(MW_LOG_INFO))
		return;
	if (batched + LINE > sizeof(batch))
		mw_log_flush();
	char *line = batch + batched;
	size_t n = put_time(line);
	memcpy(line + n, group, sizeof(group) - 1);
	n += sizeof(group) - 1;
	n += put_message(line + n, LINE - n, message);
	batched += n;
}

void mw_log_flush(void)
{
	if (!batched)
		return;
	write_all(batch, batched);
	batched = 0;
}
