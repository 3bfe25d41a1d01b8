/* SPDX-License-Identifier: MIT
 *
 * Reads many streams at once and counts: events, events that never came, time to the first.
 *
 *     streams PORT AT_ONCE TOTAL FRAMES BODY_FILE
 *
 * AT_ONCE connections ask for streams one after the other until TOTAL have been asked for; each
 * must bring FRAMES events and the finish, then [DONE]. Prints one line of name=value pairs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char event_mark[] = "data: "; /* followed by { or by [DONE] */
static const char head_mark[] = "\r\n\r\n";

/* Where in an answer the next byte is: its head, then chunks (size line, bytes, line end), then the
 * empty line behind the last. */
enum place { HEAD, SIZE, BYTES, CRLF, LAST };

struct conn {
	int fd;
	int seen;     /* events of this stream */
	bool done;    /* [DONE] has come */
	size_t match; /* how much of event_mark or head_mark has matched */
	enum place at;
	size_t left;   /* of the present chunk; while its size is read, the number so far; in the
			  head, bytes read */
	int64_t asked; /* when the stream was asked for, in µs */
};

static int frames, total, asked, ended, failed, epoll;
static int64_t events, lost;
static int64_t *firsts; /* time to the first event of each stream, in µs */
static int n_firsts;
static char *request;
static size_t request_n;
static struct sockaddr_in server = {.sin_family = AF_INET};

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void load_request(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(2);
	}
	char body[1 << 16];
	size_t n = fread(body, 1, sizeof(body), f);
	fclose(f);
	request = malloc(n + 512);
	int head = sprintf(request,
	    "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer "
	    "sk-bench\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	    n);
	memcpy(request + head, body, n);
	request_n = (size_t)head + n;
}

static void open_conn(struct conn *c)
{
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&server, sizeof(server))) {
		perror("connect");
		exit(1);
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
	epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e);
}

/* Asks for one more stream, or closes the connection if all have been asked for. */
static void ask(struct conn *c)
{
	if (asked == total) {
		close(c->fd);
		return;
	}
	asked++;
	c->seen = 0;
	c->done = false;
	c->match = c->left = 0;
	c->at = HEAD;
	c->asked = now_us();
	if (send(c->fd, request, request_n, MSG_NOSIGNAL) != (ssize_t)request_n) {
		perror("send");
		exit(1);
	}
}

static void count(struct conn *c)
{
	ended++;
	failed += !c->done;
	int expected = frames + 1; /* with the one that brings the finish reason */
	if (c->seen < expected)
		lost += expected - c->seen;
}

static bool head_ends(struct conn *c, char byte)
{
	c->match = byte == head_mark[c->match] ? c->match + 1 : byte == head_mark[0];
	if (c->match < sizeof(head_mark) - 1)
		return false;
	c->match = 0;
	return true;
}

static void scan_event(struct conn *c, char byte)
{
	static const size_t n = sizeof(event_mark) - 1;
	if (c->match < n) { /* stays matched until the byte behind it has been looked at */
		c->match = byte == event_mark[c->match] ? c->match + 1 : byte == event_mark[0];
		return;
	}
	c->match = 0;
	if (byte == '[') {
		c->done = true;
		return;
	}
	events++;
	if (c->seen++ == 0)
		firsts[n_firsts++] = now_us() - c->asked;
}

static int digit(char byte)
{
	return byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10;
}

/* One byte of an answer; true when it is the last. */
static bool scan(struct conn *c, char byte)
{
	switch (c->at) {
	case HEAD:
		if (c->left++ == sizeof("HTTP/1.1 ") - 1 && byte != '2') {
			fputs("the answer is no 2xx\n", stderr);
			exit(1);
		}
		if (head_ends(c, byte)) {
			c->at = SIZE;
			c->left = 0;
		}
		return false;
	case SIZE:
		if (byte == '\n')
			c->at = c->left ? BYTES : LAST;
		else if (byte != '\r')
			c->left = c->left * 16 + (size_t)digit(byte);
		return false;
	case BYTES:
		scan_event(c, byte);
		if (--c->left == 0)
			c->at = CRLF;
		return false;
	case CRLF:
		if (byte == '\n')
			c->at = SIZE;
		return false;
	case LAST:
		return byte == '\n';
	}
	return false;
}

static void take(struct conn *c)
{
	char in[65536];
	ssize_t n = recv(c->fd, in, sizeof(in), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close(c->fd);
		count(c);
		if (asked < total) {
			open_conn(c);
			ask(c);
		}
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (scan(c, in[i])) {
			count(c);
			ask(c);
			return;
		}
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int64_t percentile(int p)
{
	return n_firsts ? firsts[(int64_t)(n_firsts - 1) * p / 100] : -1;
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fputs("usage: streams PORT AT_ONCE TOTAL FRAMES BODY_FILE\n", stderr);
		return 2;
	}
	int at_once = atoi(argv[2]);
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	total = atoi(argv[3]);
	frames = atoi(argv[4]);
	load_request(argv[5]);
	firsts = calloc((size_t)total, sizeof(*firsts));
	epoll = epoll_create1(0);
	struct conn *conns = calloc((size_t)at_once, sizeof(*conns));
	for (int i = 0; i < at_once; i++)
		open_conn(&conns[i]);
	int64_t began = now_us();
	for (int i = 0; i < at_once; i++)
		ask(&conns[i]);
	while (ended < total) {
		struct epoll_event ready[512];
		int n = epoll_wait(epoll, ready, 512, 30000);
		if (n == 0)
			break; /* half a minute of silence: what is missing counts as lost */
		for (int i = 0; i < n; i++)
			take(ready[i].data.ptr);
	}
	double seconds = (double)(now_us() - began) / 1e6;
	lost += (int64_t)(total - ended) * (frames + 1);
	qsort(firsts, (size_t)n_firsts, sizeof(*firsts), by_size);
	printf("streams=%d failed=%d events=%lld lost=%lld seconds=%.3f first_p50=%lld "
	       "first_p99=%lld\n",
	    ended, failed + total - ended, (long long)events, (long long)lost, seconds,
	    (long long)percentile(50), (long long)percentile(99));
	return 0;
}
