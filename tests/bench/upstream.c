/* SPDX-License-Identifier: MIT
 *
 * A provider that costs next to nothing: answers every POST with a fixed OpenAI chat reply, or, if
 * the body asks for a stream, with FRAMES events, PACE milliseconds apart (0: at once, a write for
 * each).
 *
 *     upstream FRAMES PACE       prints the port that it took
 *
 * One thread, one epoll, connections kept. It trusts its clients: this is a tool for the bench, not
 * a server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IN_MAX  (1 << 20) /* a whole request */
#define OUT_MAX 512       /* one event */

struct conn {
	int fd;
	size_t have;        /* bytes in `in` */
	size_t need;        /* bytes of the whole request, once its head is read; 0: not yet */
	int next;           /* the event to send next; -1: no stream is under way */
	bool with_usage;    /* the stream ends with its usage */
	int64_t due;        /* when that event is to leave, in ms */
	struct conn *later; /* the next in the queue of paced streams */
	char *in;
};

static int frames, pace, epoll;
static struct conn *first, **last = &first; /* paced streams by due time: all wait equally long */

static const char whole[] =
    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":"
    "\"bench\","
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"The quick brown "
    "fox jumps "
    "over the lazy "
    "dog.\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":"
    "{\"prompt_tokens\":9,\"completion_tokens\":10,\"total_tokens\":19},\"system_fingerprint\":"
    "\"fp_bench\"}";

static const char stream_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
				  "Transfer-Encoding: chunked\r\n\r\n";

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Loopback buffers hold an event: a short write means that something is wrong with the bench
 * itself. */
static bool put(struct conn *c, const char *bytes, size_t n)
{
	while (n) {
		ssize_t done = send(c->fd, bytes, n, MSG_NOSIGNAL);
		if (done < 0 && errno == EAGAIN) {
			usleep(100);
			continue;
		}
		if (done < 0)
			return false;
		bytes += done;
		n -= (size_t)done;
	}
	return true;
}

static bool put_chunk(struct conn *c, const char *data)
{
	char out[OUT_MAX + 16];
	int n = snprintf(out, sizeof(out), "%zx\r\n%s\r\n", strlen(data), data);
	return put(c, out, (size_t)n);
}

static bool put_end(struct conn *c)
{
	static const char chunk[] =
	    "data: "
	    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":"
	    "1700000000,"
	    "\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,"
	    "\"finish_reason\":\"stop\"}]}\n\n";
	static const char usage[] = "data: "
				    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion."
				    "chunk\",\"created\":1700000000,"
				    "\"model\":\"bench\",\"choices\":[],\"usage\":{\"prompt_"
				    "tokens\":9,\"completion_tokens\":100,"
				    "\"total_tokens\":109}}\n\n";
	return put_chunk(c, chunk) && (!c->with_usage || put_chunk(c, usage)) &&
	       put_chunk(c, "data: [DONE]\n\n") && put(c, "0\r\n\r\n", 5);
}

static bool put_event(struct conn *c)
{
	char data[OUT_MAX];
	snprintf(data, sizeof(data),
	    "data: "
	    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":"
	    "1700000000,"
	    "\"model\":\"bench\",\"system_fingerprint\":\"fp_bench\",\"choices\":[{\"index\":0,"
	    "\"delta\":{%s\"content\":\" word%d\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
	    c->next == 0 ? "\"role\":\"assistant\"," : "", c->next);
	if (!put_chunk(c, data))
		return false;
	if (++c->next < frames)
		return true;
	c->next = -1;
	return put_end(c);
}

static void enqueue(struct conn *c)
{
	c->due = now_ms() + pace;
	c->later = NULL;
	*last = c;
	last = &c->later;
}

static void dequeue(struct conn *c)
{
	for (struct conn **p = &first; *p; p = &(*p)->later)
		if (*p == c) {
			*p = c->later;
			if (last == &c->later)
				last = p;
			return;
		}
}

static bool begin_stream(struct conn *c)
{
	c->next = 0;
	if (!put(c, stream_head, sizeof(stream_head) - 1))
		return false;
	if (pace) {
		enqueue(c);
		return true;
	}
	while (c->next >= 0)
		if (!put_event(c))
			return false;
	return true;
}

static bool answer(struct conn *c)
{
	bool streamed = memmem(c->in, c->need, "\"stream\":true", 13);
	c->with_usage = memmem(c->in, c->need, "\"include_usage\":true", 20);
	c->have -= c->need;
	memmove(c->in, c->in + c->need, c->have);
	c->need = 0;
	if (streamed)
		return begin_stream(c);
	char out[1024];
	int n = snprintf(out, sizeof(out),
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    sizeof(whole) - 1, whole);
	return put(c, out, (size_t)n);
}

/* How long the request at the start of `in` is; 0 if its head is not all there. */
static size_t request_size(struct conn *c)
{
	char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
	if (!end)
		return 0;
	size_t head = (size_t)(end - c->in) + 4, body = 0;
	for (char *line = c->in; line < end; line++) {
		line = memchr(line, '\n', (size_t)(end - line) + 2);
		if (strncasecmp(line + 1, "content-length:", 15) == 0)
			body = strtoul(line + 16, NULL, 10);
	}
	return head + body;
}

static bool take(struct conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->have, IN_MAX - c->have, 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	c->have += (size_t)n;
	while (c->next < 0 && c->have) {
		if (!c->need)
			c->need = request_size(c);
		if (!c->need || c->have < c->need)
			return c->have < IN_MAX;
		if (!answer(c))
			return false;
	}
	return true;
}

static void drop(struct conn *c)
{
	dequeue(c);
	close(c->fd);
	free(c->in);
	free(c);
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	struct conn *c = calloc(1, sizeof(*c));
	c->fd = fd;
	c->next = -1;
	c->in = malloc(IN_MAX);
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

/* Sends what is due; returns how long to sleep, -1 for ever. */
static int send_due(void)
{
	while (first) {
		int64_t left = first->due - now_ms();
		if (left > 0)
			return (int)left;
		struct conn *c = first;
		dequeue(c);
		if (!put_event(c))
			shutdown(c->fd, SHUT_RDWR); /* epoll tells, and it is dropped there */
		else if (c->next >= 0)
			enqueue(c);
	}
	return -1;
}

static int listen_anywhere(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(fd, (struct sockaddr *)&at, n) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&at, &n))
		exit(1);
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: upstream FRAMES PACE_MS\n", stderr);
		return 2;
	}
	frames = atoi(argv[1]);
	pace = atoi(argv[2]);
	epoll = epoll_create1(0);
	int listener = listen_anywhere();
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		struct epoll_event ready[256];
		int n = epoll_wait(epoll, ready, 256, send_due());
		for (int i = 0; i < n; i++) {
			struct conn *c = ready[i].data.ptr;
			if (!c)
				welcome(listener);
			else if (!take(c))
				drop(c);
		}
	}
}
