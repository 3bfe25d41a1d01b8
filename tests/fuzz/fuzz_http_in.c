/* SPDX-License-Identifier: MIT
 *
 * net/http_in must see the same requests and give the same answers however a client's bytes are cut: they
 * go through a socket to a whole server, all at once, byte by byte, and in pieces that the input itself
 * chooses. And whatever they are, once the client has closed its side every connection ends.
 */
#include "base/loop_event.h"
#include "net/http_in.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct mw_http_limits limits = {
    .head = 1024,
    .headers = 12,
    .body = 600,
    .head_ms = 600000,
    .body_ms = 600000,
    .idle_ms = 600000,
    .write_ms = 600000,
    .out_high = 500,
    .out_low = 100,
    .connections = 1,
};

static struct mw_loop *loop;
static struct mw_http_in *in;
static struct mw_buf *seen;
static size_t running;
static struct mw_http_req *held; /* answered in the next turn */

/* The last letter of the path says how the handler answers, and when. */
static char manner(const struct mw_http_head *head)
{
	return head->path.p[head->path.n - 1];
}

static void answer(struct mw_http_req *req, struct mw_str body)
{
	struct mw_header field = {{"X-A", 3}, mw_http_header(mw_http_req_head(req), "x-a")};
	running--;
	mw_http_reply(req, 200, &field, 1, body);
}

static void *on_head(void *arg, struct mw_http_req *req, const struct mw_http_head *head)
{
	(void)arg;
	mw_require(head->n_headers <= limits.headers);
	mw_buf_add(seen, head->method);
	mw_buf_add(seen, head->path);
	mw_buf_add(seen, head->query);
	mw_buf_addf(seen, " %llu\n", (unsigned long long)head->body_length);
	running++;
	switch (manner(head)) {
	case 'a':
		answer(req, MW_STR("early"));
		break;
	case 'b':
		mw_http_begin(req, 200, NULL, 0);
		mw_http_write(req, head->path);
		running--;
		mw_http_end(req);
		break;
	case 'c':
		running--;
		mw_http_abort(req);
		break;
	}
	return req;
}

static void on_body(void *call, struct mw_str body)
{
	struct mw_http_req *req = call;
	mw_buf_add(seen, body);
	mw_require(body.n <= limits.body);
	switch (manner(mw_http_req_head(req))) {
	case 'd':
		answer(req, body);
		return;
	case 'e':
		held = req;
		return;
	}
	mw_http_begin(req, 500, NULL, 0);
	mw_http_write(req, body);
	mw_http_write(req, body);
	running--;
	mw_http_end(req);
}

static void on_gone(void *call)
{
	if (held == call)
		held = NULL;
	running--;
	mw_buf_addz(seen, "gone\n");
}

static void on_refused(void *arg, void *call, const struct mw_http_head *head,
    const struct mw_err *err, struct mw_buf *out)
{
	(void)arg;
	if (call)
		on_gone(call);
	mw_buf_addf(out, "%s %.*s", err->text, MW_FMT(head->path));
}

static void on_drain(void *call)
{
	(void)call;
}

static const struct mw_http_handler handler = {.on_head = on_head,
    .on_body = on_body,
    .on_gone = on_gone,
    .on_refused = on_refused,
    .on_drain = on_drain};

/* Answers the request that waits; what came behind it has to be read now, and no event tells of it. */
static bool release(void)
{
	struct mw_http_req *req = held;
	held = NULL;
	if (req)
		answer(req, MW_STR("late"));
	return req != NULL;
}

static void receive(int fd, struct mw_buf *got)
{
	ssize_t n = 1;
	while (n > 0) {
		mw_require(mw_buf_reserve(got, 4096));
		n = recv(fd, got->p + got->n, 4096, 0);
		got->n += n > 0 ? (size_t)n : 0;
	}
}

static void turns(int fd, struct mw_buf *got, int n)
{
	while (n--) {
		event_base_loop(mw_loop_base(loop), EVLOOP_NONBLOCK);
		receive(fd, got);
	}
}

/* steps: the sizes of the pieces, over and over; none for all at once. */
static void play(struct mw_str text, struct mw_str steps, struct mw_buf *got)
{
	int pair[2];
	mw_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	mw_http_in_accept(in, pair[1]);
	for (size_t i = 0; text.n;) {
		size_t want = steps.n ? (unsigned char)steps.p[i++ % steps.n] + 1u : text.n;
		ssize_t n = send(pair[0], text.p, MW_MIN(want, text.n), MSG_NOSIGNAL);
		turns(pair[0], got, 1);
		if (n < 0)
			break; /* the server has closed */
		text = mw_strn(text.p + n, text.n - (size_t)n);
	}
	do
		turns(pair[0], got, 3);
	while (release());
	shutdown(pair[0], SHUT_WR);
	for (int i = 0; i < 10000 && mw_http_in_connections(in); i++)
		turns(pair[0], got, 1);
	mw_require(mw_http_in_connections(in) == 0 && mw_http_in_busy(in) == 0 && running == 0);
	turns(pair[0], got, 1);
	close(pair[0]);
}

/* Takes the lines out that may differ: a date changes with the second, and whether a body is asked for
 * depends on whether it is there already. */
static void neutral(struct mw_buf *got)
{
	static const char date[] = "\r\nDate: ", go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const char *at;
	while ((at = mw_str_search(mw_buf_str(got), mw_strn(date, sizeof(date) - 1)))) {
		size_t begin = (size_t)(at - got->p), gone = MW_MIN((size_t)37, got->n - begin);
		memmove(got->p + begin, at + gone, got->n - begin - gone);
		got->n -= gone;
	}
	while ((at = mw_str_search(mw_buf_str(got), mw_strn(go_on, sizeof(go_on) - 1)))) {
		size_t begin = (size_t)(at - got->p), gone = sizeof(go_on) - 1;
		memmove(got->p + begin, at + gone, got->n - begin - gone);
		got->n -= gone;
	}
}

static void run(
    struct mw_str text, struct mw_str steps, struct mw_buf *got, struct mw_buf *requests)
{
	mw_buf_init(got, 64u << 20);
	mw_buf_init(requests, 64u << 20);
	seen = requests;
	play(text, steps, got);
	neutral(got);
}

static bool expects(struct mw_str text)
{
	for (size_t i = 0; i + 6 <= text.n; i++)
		if (mw_str_ieq(mw_strn(text.p + i, 6), MW_STR("expect")))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!loop) {
		loop = mw_loop_new();
		in = mw_http_in_new(loop, &limits, &handler, NULL);
	}
	struct mw_str all = mw_strn((const char *)data, size);
	size_t head = MW_MIN(size, (size_t)3);
	struct mw_str text = mw_strn(all.p + head, all.n - head);
	struct mw_str steps[] = {mw_strn(all.p, head), MW_STR("\0")};
	struct mw_buf whole, saw_whole, cut, saw_cut;
	run(text, MW_NOSTR, &whole, &saw_whole);
	for (size_t i = 0; i < MW_LEN(steps); i++) {
		run(text, steps[i], &cut, &saw_cut);
		/* whether a connection is kept after a refusal may depend on whether the body came along */
		if (!expects(text)) {
			mw_require(mw_str_eq(mw_buf_str(&saw_cut), mw_buf_str(&saw_whole)));
			mw_require(mw_str_eq(mw_buf_str(&cut), mw_buf_str(&whole)));
		}
		mw_buf_deinit(&cut);
		mw_buf_deinit(&saw_cut);
	}
	mw_buf_deinit(&whole);
	mw_buf_deinit(&saw_whole);
	return 0;
}
