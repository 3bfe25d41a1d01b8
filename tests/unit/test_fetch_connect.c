/* SPDX-License-Identifier: MIT
 *
 * net/fetch on the way to a connection: its clock, names, proxies, TLS and HTTP/2.
 */
#include "fetch_fixture.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* -- connecting ------------------------------------------------------------------------------- */

static void a_silent_tls_server_meets_connect_ms(void **state)
{
	struct fixture *f = *state;
	struct call c[3]; /* those that wait for the first one's connection have their own clocks */
	for (int i = 0; i < 3; i++) {
		init(&c[i], f, "POST", "/secret");
		snprintf(c[i].url, sizeof(c[i].url), "https://127.0.0.1:%d/secret", f->server.port);
		c[i].request.url = mw_str(c[i].url);
		c[i].request.connect_ms = 100;
		start(&c[i]);
	}
	uint64_t before = mw_loop_now(f->live.loop);
	run(f);
	uint64_t took = mw_loop_now(f->live.loop) - before;
	assert_true(took >= 95000 && took < 5000000);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(c[i].end, MW_END_CONNECT_TIMEOUT);
		assert_null(strstr(c[i].text, "secret"));
		assert_non_null(strstr(c[i].text, "127.0.0.1"));
		deinit(&c[i]);
	}
}

static void a_slow_answer_does_not_count_as_connecting(void **state)
{
	struct fixture *f = *state;
	struct call c;
	reply_text = "HTTP/1.1 200 OK\r\nX: it takes a millisecond for each of these bytes\r\n"
		     "Content-Length: 2\r\n\r\nok";
	reply_step = 1;
	init(&c, f, "POST", "/");
	c.request.connect_ms = 30;
	expect(&c, MW_END_OK);
	deinit(&c);
}

/* From its second request on the server lets nobody in: its queue is full, so that the kernel drops
 * whoever knocks. */
static void shut_the_door(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	struct server *s = c->server;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (c->requests == 1) {
		answer(c, head, body);
		return;
	}
	mw_loop_unwatch(s->watch);
	s->watch = NULL;
	assert_int_equal(listen(s->fd, 0), 0);
	a.sin_port = htons((uint16_t)s->port);
	for (int i = 0; i < 4; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fd, (struct sockaddr *)&a, sizeof(a));
		s->knocking[i] = fd;
	}
	server_close(c, SERVER_RESET);
}

/* When libcurl repeats a request on a new connection, that one has connect_ms too. */
static void repeating_meets_connect_ms(void **state)
{
	struct fixture *f = *state;
	f->server.on_request = shut_the_door;
	for (int i = 0; i < 2; i++) {
		struct call c;
		init(&c, f, "POST", "/");
		c.request.connect_ms = 200;
		uint64_t before = mw_loop_now(f->live.loop);
		expect(&c, i ? MW_END_CONNECT_TIMEOUT : MW_END_OK);
		assert_true(mw_loop_now(f->live.loop) - before < 5000000);
		deinit(&c);
	}
}

static void reset_now(void *arg)
{
	server_close(arg, SERVER_RESET);
}

/* The first request on each connection is answered, the next reset after a while. */
static void reset_second_late(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	(void)head, (void)body;
	if (c->requests == 1) {
		server_reply(c, reply_text);
		return;
	}
	mw_timer_init(&c->timer, reset_now, c);
	mw_loop_timer_set(c->server->loop, &c->timer, 1500000);
}

/* The provider may have worked on it all the while, so that it is the caller's to send it again. */
static void what_breaks_late_is_not_repeated(void **state)
{
	struct fixture *f = *state;
	f->server.on_request = reset_second_late;
	for (int pooled = 1; pooled <= 2;
	     pooled++) { /* another one, too, would do for a repetition */
		struct call c[2];
		int before = f->server.requests;
		for (int i = 0; i < pooled; i++) {
			init(&c[i], f, "POST", "/");
			start(&c[i]);
		}
		run(f);
		for (int i = 0; i < pooled; i++)
			deinit(&c[i]);
		init(&c[0], f, "POST", "/");
		expect(&c[0], MW_END_NO_REPLY);
		assert_non_null(strstr(c[0].text, "may have arrived"));
		assert_int_equal(f->server.requests - before, pooled + 1);
		deinit(&c[0]);
	}
	assert_int_equal(f->server.n, 3);
}

static void having_no_file_descriptor_is_named(void **state)
{
	struct fixture *f = *state;
	struct call c;
	struct rlimit before, tight;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int lowest = dup(0);
	close(lowest);
	tight = before;
	tight.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	init(&c, f, "GET", "/");
	start(&c);
	run(f);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(c.end, MW_END_LOCAL);
	assert_non_null(strstr(c.text, "Too many open files"));
	deinit(&c);
}

/* Libcurl resolves names in threads of its own, through this. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool asked, released;
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (name && strcmp(name, "slow.test") == 0) {
		pthread_mutex_lock(&resolver.lock);
		resolver.asked = true;
		while (!resolver.released)
			pthread_cond_wait(&resolver.changed, &resolver.lock);
		pthread_mutex_unlock(&resolver.lock);
		return EAI_NONAME;
	}
	if (name && strcmp(name, "missing.test") == 0)
		return EAI_NONAME;
	if (name && strcmp(name, "alias.test") == 0)
		name = "127.0.0.1";
	return real(name, service, hints, out);
}

static int threads(void)
{
	char line[128];
	int n = 0;
	FILE *file = fopen("/proc/self/status", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Threads: %d", &n) == 1)
			break;
	if (file)
		fclose(file);
	return n;
}

static void a_slow_name_server_does_not_stop_the_loop(void **state)
{
	struct fixture *f = *state;
	struct call slow, cancelled, quick, first;
	init(&first, f, "GET", "/"); /* a sanitizer makes a thread of its own with the first */
	first.request.url = MW_STR("http://missing.test/");
	expect(&first, MW_END_UNREACHABLE);
	deinit(&first);
	int before = threads();
	init(&slow, f, "GET", "/");
	init(&cancelled, f, "GET", "/");
	init(&quick, f, "GET", "/");
	slow.request.url = cancelled.request.url = MW_STR("http://slow.test/path");
	slow.request.connect_ms = 100;
	slow.other = &cancelled;
	slow.on_end = cancel_other;
	start(&slow);
	start(&cancelled);
	expect(&quick, MW_END_OK);
	assert_int_equal(slow.end, MW_END_CONNECT_TIMEOUT);
	assert_int_equal(cancelled.ends, 0);
	pthread_mutex_lock(&resolver.lock);
	assert_true(resolver.asked && !resolver.released);
	resolver.released = true;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);
	while (threads() > before) /* libcurl's threads clean up behind themselves */
		turn(f);
	deinit(&slow);
	deinit(&cancelled);
	deinit(&quick);
}

static void names_are_resolved_or_named_in_the_error(void **state)
{
	struct fixture *f = *state;
	struct call c;
	init(&c, f, "GET", "/");
	c.request.url = MW_STR("http://missing.test/path?key=secret");
	expect(&c, MW_END_UNREACHABLE);
	assert_non_null(strstr(c.text, "missing.test"));
	assert_null(strstr(c.text, "path"));
	deinit(&c);
	init(&c, f, "GET", "/");
	snprintf(c.url, sizeof(c.url), "http://alias.test:%d/", f->server.port);
	c.request.url = mw_str(c.url);
	expect(&c, MW_END_OK);
	deinit(&c);
}

static void proxy_variables_are_honoured(void **state)
{
	struct fixture *f = *state;
	struct call c;
	char proxy[64];
	watch_requests(f);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", f->server.port);
	setenv("http_proxy", proxy, 1);
	init(&c, f, "GET", "/");
	c.request.url = MW_STR("http://elsewhere.test/path");
	expect(&c, MW_END_OK);
	assert_true(mw_str_starts(
	    mw_buf_str(&seen.head), MW_STR("GET http://elsewhere.test/path HTTP/1.1")));
	deinit(&c);
	setenv("no_proxy", "missing.test", 1);
	init(&c, f, "GET", "/");
	c.request.url = MW_STR("http://missing.test/path");
	expect(&c, MW_END_UNREACHABLE);
	deinit(&c);
	unsetenv("no_proxy");
	unsetenv("http_proxy");
	unwatch_requests();
}

/* -- TLS -------------------------------------------------------------------------------------- */

/* Runs a program with its output in a pipe; the caller waits for it. */
static pid_t spawn(const char *const *args, FILE **out)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing running */
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		close(ends[0]);
		execvp(args[0], (char *const *)args);
		_exit(127);
	}
	close(ends[1]);
	*out = fdopen(ends[0], "r");
	assert_non_null(*out);
	return pid;
}

static bool run_to_end(const char *const *args)
{
	char line[512];
	FILE *out;
	int status;
	pid_t pid = spawn(args, &out);
	while (fgets(line, sizeof(line), out))
		;
	fclose(out);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* A directory with a key and a certificate for "localhost" that signed itself. */
struct tls_files {
	char folder[64], key[96], certificate[96];
};

static bool make_certificate(struct tls_files *t)
{
	snprintf(t->folder, sizeof(t->folder), "/tmp/moonweir-test-XXXXXX");
	if (!mkdtemp(t->folder))
		return false;
	snprintf(t->key, sizeof(t->key), "%s/key", t->folder);
	snprintf(t->certificate, sizeof(t->certificate), "%s/certificate", t->folder);
	return run_to_end((const char *const[]){"openssl", "req", "-x509", "-newkey", "ec",
	    "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", t->key, "-out",
	    t->certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
	    "subjectAltName=DNS:localhost", NULL});
}

static void remove_files(struct tls_files *t)
{
	run_to_end((const char *const[]){"rm", "-r", t->folder, NULL});
}

static pid_t start_tls_server(const struct tls_files *t, FILE **out, int *port)
{
	char line[512];
	pid_t pid = spawn((const char *const[]){"openssl", "s_server", "-accept", "127.0.0.1:0",
			      "-www", "-key", t->key, "-cert", t->certificate, NULL},
	    out);
	while (fgets(line, sizeof(line), *out)) {
		const char *colon = strrchr(line, ':');
		if (strncmp(line, "ACCEPT", 6) == 0 && colon && (*port = atoi(colon + 1)) > 0)
			return pid;
	}
	return pid;
}

static void check_tls(struct fixture *f, const char *host, int port, enum mw_exchange_end end)
{
	struct call c;
	init(&c, f, "GET", "/");
	snprintf(c.url, sizeof(c.url), "https://%s:%d/secret", host, port);
	c.request.url = mw_str(c.url);
	expect(&c, end);
	assert_null(strstr(c.text, "secret"));
	if (end == MW_END_OK)
		assert_true(c.status == 200 && c.body.n > 0);
	else
		assert_non_null(strstr(c.text, "certificate"));
	deinit(&c);
}

static void certificates_are_verified(void **state)
{
	struct fixture *f = *state;
	struct tls_files t;
	FILE *out;
	int port = 0;
	if (!make_certificate(&t)) {
		print_message("skipped: no openssl program\n");
		skip();
	}
	pid_t pid = start_tls_server(&t, &out, &port);
	assert_true(port > 0);
	check_tls(f, "localhost", port, MW_END_UNREACHABLE); /* nobody has signed it */
	setenv("SSL_CERT_FILE", t.certificate, 1);
	mw_multi_free(f->live.multi); /* its handles know the old list */
	f->live.multi = mw_multi_new(f->live.loop);
	check_tls(f, "localhost", port, MW_END_OK);
	check_tls(f, "127.0.0.1", port, MW_END_UNREACHABLE); /* not whom it was made for */
	unsetenv("SSL_CERT_FILE");
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	fclose(out);
	remove_files(&t);
}

static void write_file(const char *folder, const char *name, struct mw_str text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text.p, 1, text.n, file), text.n);
	fclose(file);
}

static void await_port(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	bool open = false;
	a.sin_port = htons((uint16_t)port);
	for (int tries = 0; tries < 5000 && !open; tries++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		open = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
		close(fd);
		usleep(1000);
	}
	assert_true(open);
}

/* nginx, speaking HTTP/2, with the file /big; /behind goes to another server; all else is answered
 * with the number of the connection. */
static pid_t start_nginx(
    const struct tls_files *t, int behind, struct mw_str big, FILE **out, int *port)
{
	struct mw_buf conf;
	char path[128];
	close(server_listen(port));
	mw_buf_init(&conf, 1 << 16);
	mw_buf_addf(&conf,
	    "daemon off; master_process off; pid %s/pid; error_log stderr; events {}\n"
	    "http { access_log off; client_body_temp_path %s; proxy_temp_path %s; "
	    "fastcgi_temp_path %s;"
	    " uwsgi_temp_path %s; scgi_temp_path %s; default_type text/plain;"
	    " server { listen 127.0.0.1:%d ssl http2; ssl_certificate %s; ssl_certificate_key %s;"
	    " location /big { root %s; } location /behind { client_max_body_size 0;"
	    " proxy_pass http://127.0.0.1:%d; } location / { return 200 $connection; } } }\n",
	    t->folder, t->folder, t->folder, t->folder, t->folder, t->folder, *port, t->certificate,
	    t->key, t->folder, behind);
	write_file(t->folder, "conf", mw_buf_str(&conf));
	write_file(t->folder, "big", big);
	mw_buf_deinit(&conf);
	snprintf(path, sizeof(path), "%s/conf", t->folder);
	pid_t pid = spawn((const char *const[]){"nginx", "-p", t->folder, "-c", path, NULL}, out);
	await_port(*port);
	return pid;
}

static void pause_self(struct call *c)
{
	c->quiet = true;
	mw_exchange_pause(c->x);
}

static void init_https(struct call *c, struct fixture *f, int port, const char *path)
{
	init(c, f, "GET", "/");
	snprintf(c->url, sizeof(c->url), "https://localhost:%d%s", port, path);
	c->request.url = mw_str(c->url);
}

/* Exchanges with one HTTP/2 server share a connection, and one that is paused holds up no other. */
static void http2_shares_a_connection(struct fixture *f, int port, struct mw_str big)
{
	struct call first, paused, other;
	init_https(&first, f, port, "/x");
	expect(&first, MW_END_OK);
	init_https(&paused, f, port, "/big");
	paused.on_head = pause_self;
	start(&paused);
	while (paused.heads == 0)
		turn(f);
	for (int i = 0; i < 5; i++) {
		init_https(&other, f, port, "/x");
		start(&other);
		while (other.ends == 0)
			turn(f);
		assert_int_equal(other.end, MW_END_OK);
		assert_true(mw_str_eq(mw_buf_str(&other.body), mw_buf_str(&first.body)));
		deinit(&other);
	}
	assert_int_equal(paused.ends, 0);
	paused.quiet = false;
	mw_exchange_resume(paused.x);
	run(f);
	assert_int_equal(paused.end, MW_END_OK);
	assert_true(mw_str_eq(mw_buf_str(&paused.body), big));
	deinit(&first);
	deinit(&paused);
}

static void be_silent(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	(void)c, (void)head, (void)body;
}

static void cancel_and_forget(struct call *c)
{
	cancel_other(c);
	free((char *)c->other->request.body[0].p);
}

/* An exchange that is cancelled from another's callback may lose its body at once, while libcurl is
 * about to send more of it. (AddressSanitizer sees it when libcurl looks.) */
static void http2_forgets_the_body_of_a_cancelled_exchange(struct fixture *f, int port)
{
	f->server.on_request = be_silent;
	for (int i = 0; i < 20; i++) {
		struct call quick, large;
		init_https(&quick, f, port, "/x");
		init_https(&large, f, port, "/behind");
		large.request.method = MW_STR("POST");
		large.request.body[0] = long_text(3000000);
		quick.other = &large;
		quick.on_head = cancel_and_forget;
		start(i % 2 ? &quick : &large);
		start(i % 2 ? &large : &quick);
		run(f);
		assert_int_equal(quick.end, MW_END_OK);
		assert_int_equal(large.ends, 0);
		deinit(&quick);
		deinit(&large);
	}
}

static void http2_is_spoken_over_tls(void **state)
{
	struct fixture *f = *state;
	struct tls_files t;
	FILE *out;
	int port;
	if (!run_to_end((const char *const[]){"nginx", "-v", NULL}) || !make_certificate(&t)) {
		print_message("skipped: no nginx or no openssl program\n");
		skip();
	}
	struct mw_str big = long_text(6000000);
	pid_t pid = start_nginx(&t, f->server.port, big, &out, &port);
	setenv("SSL_CERT_FILE", t.certificate, 1);
	http2_shares_a_connection(f, port, big);
	http2_forgets_the_body_of_a_cancelled_exchange(f, port);
	unsetenv("SSL_CERT_FILE");
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	fclose(out);
	remove_files(&t);
	free((char *)big.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FETCH_TEST(a_silent_tls_server_meets_connect_ms),
	    FETCH_TEST(a_slow_answer_does_not_count_as_connecting),
	    FETCH_TEST(repeating_meets_connect_ms),
	    FETCH_TEST(what_breaks_late_is_not_repeated),
	    FETCH_TEST(having_no_file_descriptor_is_named),
	    FETCH_TEST(a_slow_name_server_does_not_stop_the_loop),
	    FETCH_TEST(names_are_resolved_or_named_in_the_error),
	    FETCH_TEST(proxy_variables_are_honoured),
	    FETCH_TEST(certificates_are_verified),
	    FETCH_TEST(http2_is_spoken_over_tls),
	};
	return cmocka_run_group_tests(tests, unset_proxies, deinit_globals);
}
