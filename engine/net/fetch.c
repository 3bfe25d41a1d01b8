/* SPDX-License-Identifier: MIT
 *
 * One outgoing exchange over libcurl: started, read from libcurl's callbacks, and ended. Handles are
 * pooled with all that hangs on them.
 *
 * When a pooled connection turns out to be dead before a byte of the reply came, libcurl sends the
 * request once more on another, as a rule. Where it does not (the connection breaks while a large
 * body is being sent; an HTTP/2 server says GOAWAY) we do. Both only soon after the first time.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "net/fetch_end.h"
#include "net/fetch_request.h"
#include "net/multi.h"

#include <errno.h>
#include <netinet/in.h>

enum {
	SPARES = 256,           /* idle handles that are kept */
	KEEP_BYTES = 16 * 1024, /* a spare's buffer larger than this is given back */
	/* A pooled connection that was dead all along tells within a round trip. On one that breaks
	 * later than this the request may have arrived, and be paid for. */
	STALE_US = 1000000,
};

struct fetch {
	struct mw_exchange base;
	struct mw_list link; /* in the list of the multi that says what is going on */
	struct mw_list resume_link, connect_link;
	struct mw_multi *m;
	CURL *easy;
	struct mw_fetch_request told;
	const struct mw_exchange_events *events;
	void *arg;
	struct mw_str url;
	uint32_t connect_ms;
	uint64_t connect_by;
	uint64_t sent_at;              /* when the request was first begun; 0: not yet */
	char remote[INET6_ADDRSTRLEN]; /* the connection that it was sent on */
	int remote_port, local_port;
	int no_socket; /* errno when there was none to be had */

	bool with_curl; /* added to libcurl's multi handle */
	bool sent;      /* a connection was there and the request was begun */
	bool opened;    /* a connection of its own; none from the pool, that may be stale */
	bool ipv6;      /* … or tried to, by IPv6 */
	bool old_words; /* `why` is about a connection before: libcurl writes it once */
	bool repeated;  /* by us, on a connection of its own */
	bool head_given;
	bool paused;    /* by the caller */
	bool stopped;   /* libcurl was told to stop reading */
	bool cancelled; /* no more callbacks */
	bool faulty;    /* `fault` and `text` say why we gave up, whatever libcurl says */
	enum mw_exchange_end fault;
	CURLcode code;

	struct mw_buf head; /* lines of the reply head, each ended by an LF */
	size_t head_bytes;  /* of all heads so far: interim ones and trailers count too */

	char why[CURL_ERROR_SIZE];    /* libcurl's words */
	char text[MW_FETCH_END_TEXT]; /* ours */
};

static struct fetch *fetch_of(struct mw_exchange *x)
{
	return mw_container_of(x, struct fetch, base);
}

/* Cuts what does not fit. */
static void copy_text(char *to, size_t room, const char *from)
{
	size_t n = MW_MIN(strlen(from), room - 1);
	memcpy(to, from, n);
	to[n] = '\0';
}

/* Ends the exchange from our side; 0 is what libcurl's callbacks return to stop a transfer. */
static size_t give_up(struct fetch *x, enum mw_exchange_end end, const char *text)
{
	x->faulty = true;
	x->fault = end;
	copy_text(x->text, sizeof(x->text), text);
	return 0;
}

/* -- what libcurl calls ------------------------------------------------------------------------ */

/* Cuts the lines of x->head into the multi's table; false if there are too many or one is bad. */
static bool cut_head(struct fetch *x, size_t *n)
{
	struct mw_str text = mw_buf_str(&x->head), line;
	*n = 0;
	mw_str_cut(&text, '\n', &line); /* the status line */
	while (mw_str_cut(&text, '\n', &line)) {
		struct mw_str name, value = line;
		if (*n == MW_MAX_HEADERS || !mw_str_cut(&value, ':', &name) || name.n == 0)
			return false;
		x->m->head[(*n)++] = (struct mw_header){mw_str_trim(name), mw_str_trim(value)};
	}
	return true;
}

static void give_head(struct fetch *x, int status)
{
	struct mw_exchange_head head = {.status = status, .headers = x->m->head};
	if (!cut_head(x, &head.n_headers)) {
		give_up(x, MW_END_MALFORMED,
		    "the head of the reply has too many lines or one that is no header");
		return;
	}
	x->head_given = true;
	x->events->on_head(x->arg, &head);
}

/* The empty line behind a head. Interim answers (1xx) are for the transport alone. */
static void end_head(struct fetch *x)
{
	long status = 0;
	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 101)
		give_up(x, MW_END_MALFORMED, "the server changes the protocol unasked");
	else if (status / 100 != 1)
		give_head(x, (int)status);
	mw_buf_clear(&x->head);
}

static void add_head_line(struct fetch *x, struct mw_str line)
{
	if (x->head.n && (line.p[0] == ' ' || line.p[0] == '\t'))
		x->head.n--; /* a folded line goes on where the one before ended */
	mw_buf_add(&x->head, line);
	mw_buf_addc(&x->head, '\n');
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct fetch *x = arg;
	struct mw_str line = mw_strn(p, size * n);
	size_t whole = line.n;
	if (x->cancelled || x->faulty)
		return 0;
	x->head_bytes += whole;
	if (x->head_bytes > MW_MAX_HEAD)
		return give_up(x, MW_END_MALFORMED, "the head of the reply is too large");
	if (x->head_given)
		return whole; /* trailers */
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	if (line.n)
		add_head_line(x, line);
	else
		end_head(x);
	return x->cancelled || x->faulty ? 0 : whole;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct fetch *x = arg;
	struct mw_str bytes = mw_strn(p, size * n);
	if (x->cancelled || x->faulty)
		return 0;
	if (x->paused) {
		x->stopped = true; /* the same bytes come again when libcurl is let go on */
		return CURL_WRITEFUNC_PAUSE;
	}
	x->events->on_bytes(x->arg, bytes);
	return x->cancelled ? 0 : bytes.n;
}

static bool is_late(const struct fetch *x)
{
	return x->sent_at && mw_loop_now(x->m->loop) - x->sent_at > STALE_US;
}

/* Libcurl may be about to send the request again. On a connection that it has opened itself it does so
 * where an HTTP/2 server has refused the stream, of which it says nothing, but also where the connection
 * broke after others had joined, of which it does. */
static bool refuse_late(struct fetch *x)
{
	if (is_late(x) && (!x->opened || x->why[0]))
		give_up(x, MW_END_NO_REPLY,
		    "the connection broke before an answer came; the request may have arrived");
	return x->faulty;
}

/* There is a connection, and the request goes out now. */
static int on_connected(void *arg, char *remote, char *local, int remote_port, int local_port)
{
	struct fetch *x = arg;
	(void)local;
	if (x->cancelled || refuse_late(x))
		return CURL_PREREQFUNC_ABORT;
	x->sent = true;
	if (!x->sent_at)
		x->sent_at = mw_loop_now(x->m->loop);
	x->told.given = 0; /* libcurl has it read anew only if some of it was sent */
	copy_text(x->remote, sizeof(x->remote), remote);
	x->remote_port = remote_port;
	x->local_port = local_port;
	mw_list_del(&x->connect_link);
	return CURL_PREREQFUNC_OK;
}

/* Lets the clock of connect_ms run. */
static void start_connecting(struct fetch *x)
{
	if (x->connect_ms == 0 || !mw_list_empty(&x->connect_link))
		return;
	x->connect_by = mw_loop_now(x->m->loop) + x->connect_ms * UINT64_C(1000);
	mw_list_add(&x->m->connecting, &x->connect_link);
	mw_multi_wake_connecting(x->m, x->connect_by);
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)purpose;
	struct fetch *x = arg;
	if (refuse_late(x))
		return CURL_SOCKET_BAD;
	x->opened = true;
	x->ipv6 |= address->family == AF_INET6;
	x->old_words |= x->why[0] != '\0';
	x->sent = false; /* the pooled connection that it was sent on may have been dead */
	start_connecting(x);
	int fd = mw_multi_open_socket(x->m, address, !mw_fetch_request_tls(&x->told));
	x->no_socket = fd < 0 ? errno : 0;
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

bool mw_fetch_stopped(CURL *easy)
{
	void *x = NULL;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &x);
	return x && ((struct fetch *)x)->stopped;
}

/* -- the end ----------------------------------------------------------------------------------- */

static struct mw_fetch_end account(const struct fetch *x)
{
	long number = x->no_socket;
	if (x->code == CURLE_COULDNT_CONNECT && !number)
		curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &number);
	return (struct mw_fetch_end){.code = x->code,
	    .why = x->old_words ? curl_easy_strerror(x->code) : x->why,
	    .os_error = (int)number,
	    .ipv6 = x->ipv6,
	    .sent = x->sent,
	    .head_given = x->head_given};
}

static enum mw_exchange_end end_of(const struct fetch *x)
{
	struct mw_fetch_end end = account(x);
	return x->faulty ? x->fault : mw_fetch_end_of(&end);
}

static void free_fetch(struct fetch *x)
{
	curl_easy_cleanup(x->easy);
	mw_fetch_request_deinit(&x->told);
	mw_buf_deinit(&x->head);
	mw_mem_free(x);
}

/* Nobody will ask for the exchange again: its handle waits for the next. */
static void recycle(struct fetch *x)
{
	struct mw_multi *m = x->m;
	mw_list_del(&x->link);
	mw_list_del(&x->resume_link);
	m->n--;
	if (m->n_spare == SPARES) {
		free_fetch(x);
		return;
	}
	if (x->head.cap > KEEP_BYTES)
		mw_buf_deinit(&x->head);
	m->n_spare++;
	mw_list_add(&m->spare, &x->link);
}

static void leave_curl(struct fetch *x)
{
	if (x->with_curl)
		curl_multi_remove_handle(x->m->curl, x->easy);
	x->with_curl = false;
	mw_list_del(&x->connect_link);
}

/* A connection from the pool broke before a byte of the reply came: it may have been dead all along.
 * (An HTTP/2 server that ends the one stream is alive.) */
static bool was_stale(const struct fetch *x)
{
	long connections = 0;
	curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &connections);
	return connections == 0 && x->head_bytes == 0 && end_of(x) == MW_END_NO_REPLY &&
	       x->code != CURLE_HTTP2_STREAM && !is_late(x);
}

static void repeat(struct fetch *x)
{
	curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L);
	x->repeated = true;
	x->sent = x->opened = x->ipv6 = x->old_words = x->stopped = false;
	x->sent_at = 0;
	mw_list_del(&x->resume_link);
	x->why[0] = '\0';
	mw_list_del(&x->link);
	mw_list_add(&x->m->queued, &x->link);
	mw_multi_wake(x->m);
}

/* Libcurl has done what it could. */
static void finish(struct fetch *x, CURLcode code)
{
	leave_curl(x);
	x->code = code;
	if (code == CURLE_OUT_OF_MEMORY && x->sent) /* how libcurl says that of a single line */
		give_up(x, MW_END_MALFORMED, "the head of the reply is too large");
	if (!x->repeated && was_stale(x)) {
		repeat(x);
		return;
	}
	struct mw_exchange_result result = {.end = end_of(x), .text = x->text};
	struct mw_fetch_end end = account(x);
	if (!x->faulty)
		mw_fetch_end_text(&end, x->url, x->text);
	x->events->on_end(x->arg, &result);
	recycle(x);
}

static bool share_connection(const struct fetch *a, const struct fetch *b)
{
	return a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       strcmp(a->remote, b->remote) == 0;
}

/* Libcurl tells an HTTP/2 server that a stream is cancelled when it has something else to send on
 * that connection. A stream that shares it is made to, so that the server hears of it now. That calls
 * nothing back: of a stream that is not stopped libcurl holds no bytes. */
static void flush_connection(struct fetch *x)
{
	MW_LIST_EACH(node, &x->m->running)
	{
		struct fetch *other = mw_container_of(node, struct fetch, link);
		if (!other->sent || other->stopped || !share_connection(x, other))
			continue;
		if (curl_easy_pause(other->easy, CURLPAUSE_RECV) == CURLE_OK &&
		    curl_easy_pause(other->easy, CURLPAUSE_CONT) == CURLE_OK)
			return;
	}
}

static void drop(struct fetch *x)
{
	curl_easy_setopt(x->easy, CURLOPT_FORBID_REUSE, 1L); /* closed, unless others use it */
	leave_curl(x);
	curl_easy_setopt(x->easy, CURLOPT_FORBID_REUSE, 0L);
	mw_list_del(&x->link);
	if (x->sent && mw_fetch_request_tls(&x->told))
		flush_connection(x);
	recycle(x);
}

/* -- what the caller asks for ------------------------------------------------------------------ */

static void pause_fetch(struct mw_exchange *exchange)
{
	fetch_of(exchange)->paused = true;
}

static void resume_fetch(struct mw_exchange *exchange)
{
	struct fetch *x = fetch_of(exchange);
	x->paused = false;
	if (!x->stopped)
		return;
	if (mw_list_empty(&x->resume_link))
		mw_list_add(&x->m->resuming, &x->resume_link);
	mw_multi_wake(x->m);
}

static void cancel_fetch(struct mw_exchange *exchange)
{
	struct fetch *x = fetch_of(exchange);
	x->cancelled = true;
	if (x->m->depth == 0) {
		drop(x);
		return;
	}
	/* libcurl may come to it before its present run is over, and the body may be gone by then
	 */
	if (x->with_curl)
		curl_easy_pause(x->easy, CURLPAUSE_ALL);
	mw_list_del(&x->resume_link);
	mw_list_del(&x->link);
	mw_list_add(&x->m->cancelled, &x->link);
}

static bool sent(const struct mw_exchange *exchange)
{
	return mw_fetch_request_sent(&mw_container_of(exchange, const struct fetch, base)->told);
}

static const struct mw_exchange_ops ops = {pause_fetch, resume_fetch, cancel_fetch, sent};

static void set_callbacks(struct fetch *x)
{
	CURL *c = x->easy;
	curl_easy_setopt(c, CURLOPT_PRIVATE, x);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->why);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(c, CURLOPT_PREREQDATA, x);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, x);
	/* a connection outlives the exchange that opened it */
	curl_easy_setopt(c, CURLOPT_CLOSESOCKETFUNCTION, mw_multi_close_socket);
	curl_easy_setopt(c, CURLOPT_CLOSESOCKETDATA, x->m);
	curl_easy_setopt(c, CURLOPT_SHARE, x->m->share);
}

static struct fetch *new_fetch(struct mw_multi *m)
{
	struct fetch *x = mw_mem_zalloc(sizeof(*x));
	x->base.ops = &ops;
	x->m = m;
	x->easy = curl_easy_init();
	mw_require(x->easy);
	mw_list_init(&x->link);
	mw_list_init(&x->resume_link);
	mw_list_init(&x->connect_link);
	mw_fetch_request_init(&x->told, x->easy);
	mw_buf_init(&x->head, MW_MAX_HEAD);
	set_callbacks(x);
	return x;
}

static struct fetch *take_fetch(struct mw_multi *m)
{
	struct mw_list *node = mw_list_take(&m->spare);
	m->n++;
	if (!node)
		return new_fetch(m);
	struct fetch *x = mw_container_of(node, struct fetch, link);
	m->n_spare--;
	if (x->repeated)
		curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 0L);
	x->with_curl = x->sent = x->opened = x->ipv6 = x->old_words = x->repeated = x->head_given =
	    false;
	x->paused = x->stopped = x->cancelled = x->faulty = false;
	x->head_bytes = 0;
	x->sent_at = 0;
	x->no_socket = 0;
	x->why[0] = '\0';
	mw_buf_clear(&x->head);
	return x;
}

struct mw_exchange *mw_fetch_start(struct mw_multi *m, const struct mw_exchange_request *request,
    const struct mw_exchange_events *events, void *arg)
{
	struct fetch *x = take_fetch(m);
	struct mw_err err;
	x->events = events;
	x->arg = arg;
	x->url = request->url;
	x->connect_ms = request->connect_ms;
	if (!mw_fetch_request_set(&x->told, x->easy, request, &err))
		give_up(x, MW_END_UNREACHABLE, err.text);
	mw_list_add(&m->queued, &x->link);
	mw_multi_wake(m);
	return &x->base;
}

/* -- what the loop calls ----------------------------------------------------------------------- */

static void begin(struct fetch *x)
{
	mw_list_add(&x->m->running, &x->link);
	if (x->faulty) {
		finish(x, CURLE_OK);
		return;
	}
	start_connecting(x);
	x->with_curl = true;
	mw_require(curl_multi_add_handle(x->m->curl, x->easy) == CURLM_OK);
}

static void go_on(struct fetch *x)
{
	if (x->paused)
		return;
	x->stopped = false;
	x->m->depth++;
	CURLcode code = curl_easy_pause(x->easy, CURLPAUSE_CONT);
	x->m->depth--;
	if (code != CURLE_OK && !x->cancelled)
		finish(x, code);
}

void mw_fetch_turn(struct mw_multi *m)
{
	struct mw_list batch, *node; /* what callbacks add waits for the next turn */
	mw_list_move(&m->queued, &batch);
	while ((node = mw_list_take(&batch)))
		begin(mw_container_of(node, struct fetch, link));
	mw_list_move(&m->resuming, &batch);
	while ((node = mw_list_take(&batch)))
		go_on(mw_container_of(node, struct fetch, resume_link));
	mw_fetch_settle(m);
}

void mw_fetch_connecting(struct mw_multi *m)
{
	uint64_t next = UINT64_MAX, now = mw_loop_now(m->loop);
	struct mw_list *node = m->connecting.next;
	while (node != &m->connecting) {
		struct fetch *x = mw_container_of(node, struct fetch, connect_link);
		node = node->next;
		if (x->connect_by > now) {
			next = MW_MIN(next, x->connect_by);
			continue;
		}
		finish(x, CURLE_OPERATION_TIMEDOUT);
		node = m->connecting.next; /* the callback may have changed the list */
	}
	if (next != UINT64_MAX)
		mw_multi_wake_connecting(m, next);
}

void mw_fetch_settle(struct mw_multi *m)
{
	struct mw_list *node;
	struct CURLMsg *msg;
	int left;
	while ((node = mw_list_take(&m->cancelled)))
		drop(mw_container_of(node, struct fetch, link));
	while ((msg = curl_multi_info_read(m->curl, &left))) {
		void *x = NULL;
		CURLcode code = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &x);
		finish(x, code);
	}
}

static void free_list(struct mw_list *list)
{
	struct mw_list *node;
	while ((node = mw_list_take(list))) {
		struct fetch *x = mw_container_of(node, struct fetch, link);
		leave_curl(x);
		free_fetch(x);
	}
}

void mw_fetch_free_all(struct mw_multi *m)
{
	free_list(&m->queued);
	free_list(&m->running);
	free_list(&m->cancelled);
	free_list(&m->spare);
}
