/* SPDX-License-Identifier: MIT
 *
 * Sending answers. Small pieces are put together and leave in one send; large ones go to the kernel
 * from where they are, and only what it does not take is copied.
 */
#include "net/http_out.h"

#include "net/http_parse.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

enum {
	COPY = 4096, /* up to here copying is cheaper than a second slice for the kernel */
	MAX_WAITING_SLACK = 16 << 20,
	PARTS = 3,
};

void mw_http_out_init(struct mw_http_out *o)
{
	*o = (struct mw_http_out){0};
	mw_buf_init(&o->buf, (size_t)MW_MAX_REPLY + MAX_WAITING_SLACK);
}

void mw_http_out_deinit(struct mw_http_out *o)
{
	mw_buf_deinit(&o->buf);
}

void mw_http_out_reset(struct mw_http_out *o, size_t keep)
{
	if (o->buf.cap > keep)
		mw_buf_deinit(&o->buf);
	mw_buf_clear(&o->buf);
	o->sent = 0;
	o->blocked = o->broken = false;
}

/* Sent bytes at the front are dropped when they are the larger part, so that each byte is moved at
 * most once. */
static void compact(struct mw_http_out *o)
{
	if (o->sent && o->sent >= o->buf.n - o->sent) {
		mw_buf_drop(&o->buf, o->sent);
		o->sent = 0;
	}
}

void mw_http_out_add(struct mw_http_out *o, struct mw_str bytes)
{
	compact(o);
	mw_buf_add(&o->buf, bytes);
}

/* All parts in one system call; how many bytes went. */
static size_t give(struct mw_http_out *o, int fd, const struct mw_str *parts, size_t total)
{
	struct iovec slices[PARTS];
	for (size_t i = 0; i < PARTS; i++)
		slices[i] = (struct iovec){(void *)(uintptr_t)parts[i].p, parts[i].n};
	struct msghdr message = {.msg_iov = slices, .msg_iovlen = PARTS};
	bool single = parts[0].n == total; /* cheaper, and the common case */
	ssize_t n;
	do
		n = single ? send(fd, parts[0].p, total, MSG_NOSIGNAL)
		           : sendmsg(fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		o->broken = true;
	size_t gone = n < 0 ? 0 : (size_t)n;
	o->blocked = gone < total;
	return gone;
}

/* `gone` bytes of what waits have been sent; returns those of `gone` that lie behind it. */
static size_t forget(struct mw_http_out *o, size_t gone)
{
	size_t waited = MW_MIN(gone, mw_http_out_waiting(o));
	o->sent += waited;
	if (o->sent == o->buf.n) {
		mw_buf_clear(&o->buf);
		o->sent = 0;
	}
	return gone - waited;
}

static void keep_rest(struct mw_http_out *o, struct mw_str part, size_t gone)
{
	if (gone < part.n && !o->broken)
		mw_http_out_add(o, mw_strn(part.p + gone, part.n - gone));
}

bool mw_http_out_send(struct mw_http_out *o, int fd, struct mw_str more, struct mw_str tail)
{
	if (more.n + tail.n <= COPY || o->blocked) {
		mw_http_out_add(o, more);
		mw_http_out_add(o, tail);
		more = tail = MW_NOSTR;
	}
	struct mw_str waiting = MW_NOSTR;
	if (mw_http_out_waiting(o))
		waiting = mw_strn(o->buf.p + o->sent, mw_http_out_waiting(o));
	size_t total = waiting.n + more.n + tail.n;
	o->broken |= o->buf.full;
	if (o->blocked || o->broken || total == 0)
		return false;
	size_t gone = give(o, fd, (struct mw_str[PARTS]){waiting, more, tail}, total);
	size_t behind = forget(o, gone);
	keep_rest(o, more, MW_MIN(behind, more.n));
	keep_rest(o, tail, behind - MW_MIN(behind, more.n));
	return gone > 0;
}

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *words;
	} reasons[] = {
	    {200, "OK"},
	    {201, "Created"},
	    {204, "No Content"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {413, "Content Too Large"},
	    {417, "Expectation Failed"},
	    {422, "Unprocessable Content"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {502, "Bad Gateway"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	    {505, "HTTP Version Not Supported"},
	};
	for (size_t i = 0; i < MW_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].words;
	return ""; /* may be empty; nobody reads it */
}

/* A value comes perhaps from a provider's reply or a script. */
static void add_value(struct mw_buf *b, struct mw_str value)
{
	size_t at = b->n;
	mw_buf_add(b, value);
	if (mw_http_parse_is_value(value))
		return;
	for (; at < b->n; at++)
		if (!mw_http_parse_is_value(mw_strn(b->p + at, 1)))
			b->p[at] = ' ';
}

void mw_http_out_status(struct mw_http_out *o, int status)
{
	struct mw_buf *b = &o->buf;
	mw_require(status >= 200 && status <= 999);
	if (status == 200) {
		mw_buf_add(b, MW_STR("HTTP/1.1 200 OK\r\n"));
		return;
	}
	mw_buf_add(b, MW_STR("HTTP/1.1 "));
	mw_buf_addu(b, (uint64_t)status, 0);
	mw_buf_addc(b, ' ');
	mw_buf_addz(b, reason(status));
	mw_buf_add(b, MW_STR("\r\n"));
}

void mw_http_out_length(struct mw_http_out *o, uint64_t content_length)
{
	mw_buf_add(&o->buf, MW_STR("Content-Length: "));
	mw_buf_addu(&o->buf, content_length, 0);
	mw_buf_add(&o->buf, MW_STR("\r\n"));
}

void mw_http_out_fields(struct mw_http_out *o, const struct mw_header *headers, size_t n)
{
	struct mw_buf *b = &o->buf;
	for (size_t i = 0; i < n; i++) {
		mw_buf_add(b, headers[i].name);
		mw_buf_add(b, MW_STR(": "));
		add_value(b, headers[i].value);
		mw_buf_add(b, MW_STR("\r\n"));
	}
}

void mw_http_out_head_end(struct mw_http_out *o)
{
	mw_buf_add(&o->buf, MW_STR("\r\n"));
}

void mw_http_out_chunk_size(struct mw_http_out *o, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char line[18];
	size_t at = sizeof(line);
	line[--at] = '\n';
	line[--at] = '\r';
	for (; n; n >>= 4)
		line[--at] = digits[n & 15];
	mw_http_out_add(o, mw_strn(line + at, sizeof(line) - at));
}

void mw_http_out_date(char to[MW_HTTP_OUT_DATE], uint64_t seconds)
{
	/* not strftime: its names follow the locale */
	static const char days[] = "SunMonTueWedThuFriSat",
			  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)seconds;
	struct tm tm;
	gmtime_r(&t, &tm);
	snprintf(to, MW_HTTP_OUT_DATE, "Date: %.3s, %02u %.3s %04u %02u:%02u:%02u GMT\r\n",
	    days + 3 * tm.tm_wday, (unsigned)tm.tm_mday % 100, months + 3 * tm.tm_mon,
	    ((unsigned)tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
	    (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}
