/* SPDX-License-Identifier: MIT
 *
 * Arguments, the order of starting, signals. The main thread then only watches: signals and files;
 * all calls run on the workers.
 */
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "gate/reload.h"
#include "gate/worker.h"
#include "net/fetch.h"
#include "net/listener.h"
#include "script/embedded.h"
#include "shared/health.h"
#include "shared/prices.h"

#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

static const char usage[] =
    "Moonweir " MW_VERSION ", an LLM gateway programmed in Lua.\n"
    "\n"
    "  moonweir                          a demo model, no key and no network needed\n"
    "  moonweir --config config.yaml     what a config.yaml of LiteLLM describes\n"
    "  moonweir --model gpt-4o           one model, its key from the environment\n"
    "\n"
    "options:\n"
    "  -c, --config FILE     settings (also: CONFIG_FILE_PATH)\n"
    "  -m, --model NAME      one model: openai/…, anthropic/…, gemini/…, demo/…\n"
    "  -p, --port N          port to listen on (4000; 0 takes a free one)\n"
    "      --host ADDRESS    address to listen on (127.0.0.1; 0.0.0.0 for all)\n"
    "  -w, --workers N       threads that serve calls (one for each processor)\n"
    "      --check           read settings and policies, say what is wrong, leave\n"
    "      --log-level WORD  debug, info, warn, error or off (info)\n"
    "      --version         the version\n"
    "  -h, --help            this text\n"
    "\n"
    "signals: TERM and INT let running calls end and leave (a second one leaves at once);\n"
    "HUP reads settings and policies again. Changed files are noticed by themselves.\n";

struct options {
	const char *config, *model, *host;
	int port;
	size_t workers;
	bool check;
};

struct program {
	struct options options;
	struct mw_env env; /* for the main thread's runtime */
	struct mw_loop *loop;
	struct mw_metrics *metrics;
	struct mw_healths *healths;
	struct mw_runtime *runtime;
	struct mw_settings_world world;
	struct mw_gateway gateway;
	struct mw_bundle *bundle;
	struct mw_reload *reload;
	bool leaving;
	bool in_terminal; /* started by a person, in a terminal */
};

/* ---- arguments ----------------------------------------------------------------------------- */

MW_NORETURN static void bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "moonweir: %s '%s'; moonweir --help tells what there is\n", what, value);
	exit(2);
}

/* `--host "$HOST"` with a variable that is not set must not come to mean something. */
static const char *word(const char *name)
{
	if (!*optarg)
		bad_usage(name, "");
	return optarg;
}

static long number(const char *name, const char *text, long min, long max)
{
	char *end;
	long v = strtol(text, &end, 10);
	if (*end || end == text || v < min || v > max) {
		fprintf(stderr, "moonweir: %s takes a number from %ld to %ld, not '%s'\n", name,
		    min, max, text);
		exit(2);
	}
	return v;
}

static void set_log_level(const char *word)
{
	enum mw_log_level level;
	if (!mw_log_level_of(mw_str(word), &level))
		bad_usage("--log-level takes debug, info, warn, error or off, not", word);
	mw_log_set_level(level);
}

enum { OPT_HOST = 256, OPT_CHECK, OPT_LOG, OPT_VERSION };
static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"model", required_argument, NULL, 'm'},
    {"port", required_argument, NULL, 'p'},
    {"host", required_argument, NULL, OPT_HOST},
    {"workers", required_argument, NULL, 'w'},
    {"check", no_argument, NULL, OPT_CHECK},
    {"log-level", required_argument, NULL, OPT_LOG},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static void take_option(struct options *o, int c)
{
	switch (c) {
	case 'c':
		o->config = word("--config takes a file's name, not");
		break;
	case 'm':
		o->model = word("--model takes a model's name, not");
		break;
	case 'p':
		o->port = (int)number("--port", optarg, 0, 65535);
		break;
	case 'w':
		o->workers = (size_t)number("--workers", optarg, 1, 256);
		break;
	case OPT_HOST:
		o->host = word("--host takes an address, not");
		break;
	case OPT_CHECK:
		o->check = true;
		break;
	case OPT_LOG:
		set_log_level(optarg);
		break;
	case OPT_VERSION:
		puts("moonweir " MW_VERSION);
		exit(0);
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		fputs("moonweir --help tells what there is\n", stderr);
		exit(2);
	}
}

static struct options parse_arguments(int argc, char **argv)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	const char *given = getenv("CONFIG_FILE_PATH"); /* what is said here and now wins over it */
	struct options o = {.host = "127.0.0.1", .port = 4000};
	o.workers = (size_t)(processors > 0 ? processors : 1);
	for (int c; (c = getopt_long(argc, argv, "c:m:p:w:h", long_options, NULL)) != -1;)
		take_option(&o, c);
	if (optind < argc)
		bad_usage("there is no argument", argv[optind]);
	if (o.config && o.model)
		bad_usage("--config names the models itself; leave out --model", o.model);
	if (!o.config && !o.model && given && *given)
		o.config = given;
	return o;
}

/* ---- settings ------------------------------------------------------------------------------ */

static struct mw_settings *read_settings(void *arg, struct mw_err *err)
{
	struct program *p = arg;
	if (p->options.config)
		return mw_settings_read(p->options.config, &p->world, err);
	if (p->options.model)
		return mw_settings_one_model(mw_str(p->options.model), &p->world, err);
	return mw_settings_parse(mw_embedded_text("lua/defaults.yaml"), "", &p->world, err);
}

static void warn(void *arg, const char *text)
{
	(void)arg;
	mw_log(MW_LOG_WARN, "settings", "%s", text);
}

static struct mw_bundle *read_bundle(struct program *p, struct mw_err *err)
{
	struct mw_settings *settings = read_settings(p, err);
	struct mw_bundle *bundle =
	    settings ? mw_bundle_read(settings, mw_embedded_policy, err) : NULL;
	mw_settings_unref(settings);
	return bundle;
}

/* ---- the main thread's environment: only for reading settings ------------------------------ */

static struct program *of(struct mw_env *env)
{
	return mw_container_of(env, struct program, env);
}

static uint64_t main_now(struct mw_env *env)
{
	return mw_loop_now(of(env)->loop);
}

static uint64_t main_wall(struct mw_env *env)
{
	return mw_loop_wall(of(env)->loop);
}

static const struct mw_env_ops main_env = {.now = main_now, .wall = main_wall};

/* ---- --check ------------------------------------------------------------------------------- */

/* Loads the policies once, on this thread, as a worker would; their names and versions. */
static bool check_policies(struct program *p, struct mw_buf *names, struct mw_err *err)
{
	struct mw_guard *guard = mw_guard_new(p->gateway.watchdog);
	struct mw_policies *policies =
	    mw_policies_new(&p->env, guard, p->gateway.stats, p->bundle, err);
	if (policies)
		mw_policies_describe(policies, names);
	mw_policies_free(policies);
	mw_guard_free(guard);
	return policies;
}

static int check(struct program *p)
{
	struct mw_err err = {0};
	const char *name = p->options.config  ? p->options.config
	                   : p->options.model ? p->options.model
	                                      : "the embedded defaults";
	struct mw_buf names;
	mw_buf_init(&names, 1 << 20);
	const struct mw_settings *s = p->bundle->settings;
	size_t n_models = 0;
	for (size_t i = 0; i < s->n_models; i++)
		n_models += s->models[i].n_targets > 0;
	bool good = check_policies(p, &names, &err);
	if (good)
		printf("%s: good. %zu model%s, %zu target%s. Policies, in order: %.*s.\n", name,
		    n_models, n_models == 1 ? "" : "s", s->n_targets, s->n_targets == 1 ? "" : "s",
		    MW_FMT(mw_buf_str(&names)));
	else
		fprintf(stderr, "moonweir: %s\n", err.text);
	mw_buf_deinit(&names);
	return good ? 0 : 1;
}

/* ---- running ------------------------------------------------------------------------------- */

static void drain(struct program *p)
{
	atomic_store(&p->gateway.draining, true);
	for (size_t i = 0; i < p->gateway.n_workers; i++)
		mw_worker_drain(p->gateway.workers[i]);
}

static void leave(struct program *p)
{
	p->leaving = true;
	mw_log(MW_LOG_INFO, "main", "leaving: no new calls, running ones may end");
	drain(p);
	mw_loop_stop(p->loop);
}

/* HUP asks for a reload, but it is also what a closing terminal sends to the programs in it. */
static bool terminal_is_gone(const struct program *p)
{
	struct termios t;
	return p->in_terminal && tcgetattr(STDIN_FILENO, &t) != 0;
}

static void on_signal(void *arg, int signal)
{
	struct program *p = arg;
	if (signal == SIGHUP && !terminal_is_gone(p))
		mw_reload_now(p->reload);
	else if (!p->leaving)
		leave(p);
}

/* While workers drain the main thread waits in pthread_join; a second signal then ends the process.
 */
static void hasty(int signal)
{
	(void)signal;
	_exit(130);
}

static bool start_workers(struct program *p, struct mw_err *err)
{
	if (!mw_listener_check(p->options.host, (uint16_t)p->options.port, err))
		return false;
	p->gateway.workers = mw_mem_zalloc(p->options.workers * sizeof(*p->gateway.workers));
	for (size_t i = 0; i < p->options.workers; i++) {
		struct mw_worker *w = mw_worker_start(&p->gateway, i, p->bundle, err);
		if (!w)
			return false;
		p->gateway.workers[p->gateway.n_workers++] = w;
	}
	return true;
}

static void stop_workers(struct program *p)
{
	for (size_t i = 0; i < p->gateway.n_workers; i++)
		mw_worker_join(p->gateway.workers[i]);
	mw_mem_free(p->gateway.workers);
}

/* A host as it stands in a URL: an IPv6 address in brackets. */
static void put_host(char *to, size_t room, const char *host)
{
	bool bare = strchr(host, ':') && host[0] != '[';
	snprintf(to, room, "%s%s%s", bare ? "[" : "", host, bare ? "]" : "");
}

/* What the line to paste asks for: the first model that is listed by its own name, else the first pattern
 * with a word to replace. False if there is nothing to ask for. */
static bool name_to_try(const struct mw_settings *s, struct mw_buf *out)
{
	const struct mw_model *found = NULL;
	for (size_t i = s->n_models; i-- > 0;)
		if (!s->models[i].hidden && (!found || found->wildcard || !s->models[i].wildcard))
			found = &s->models[i];
	if (!found)
		return false;
	struct mw_str rest = found->name, before;
	bool pattern = mw_str_cut(&rest, '*', &before);
	mw_buf_add(out, before);
	mw_buf_addz(out, pattern ? "YOUR_MODEL" : "");
	mw_buf_add(out, rest);
	return true;
}

/* JSON that can stand between a shell's apostrophes. */
static void quote_for_shell(struct mw_buf *out, struct mw_str text)
{
	struct mw_buf json;
	mw_buf_init(&json, SIZE_MAX);
	mw_json_quote(&json, text);
	for (size_t i = 0; i < json.n; i++)
		if (json.p[i] == '\'')
			mw_buf_addz(out, "\\u0027");
		else
			mw_buf_addc(out, json.p[i]);
	mw_buf_deinit(&json);
}

static void print_curl(const struct mw_settings *s, const char *host, int port)
{
	struct mw_buf name, quoted;
	mw_buf_init(&name, SIZE_MAX);
	mw_buf_init(&quoted, SIZE_MAX);
	if (name_to_try(s, &name)) {
		quote_for_shell(&quoted, mw_buf_str(&name));
		printf("try:\n  curl http://%s:%d/v1/chat/completions -H 'Content-Type: "
		       "application/json'%s \\\n"
		       "    -d '{\"model\": %.*s, \"messages\": [{\"role\": \"user\", \"content\": "
		       "\"Hello, moon!\"}]}'\n",
		    host, port,
		    s->master_key.n ? " -H 'Authorization: Bearer YOUR_MASTER_KEY'" : "",
		    MW_FMT(mw_buf_str(&quoted)));
	}
	mw_buf_deinit(&name);
	mw_buf_deinit(&quoted);
}

static void greet(const struct program *p)
{
	int port = atomic_load(&p->gateway.port);
	bool any = strcmp(p->options.host, "0.0.0.0") == 0 || strcmp(p->options.host, "*") == 0;
	bool any6 = strcmp(p->options.host, "::") == 0 || strcmp(p->options.host, "[::]") == 0;
	char on[280], host[280];
	put_host(on, sizeof(on), p->options.host);
	put_host(host, sizeof(host), any ? "127.0.0.1" : any6 ? "::1" : p->options.host);
	printf("moonweir %s: listening on http://%s:%d\n", MW_VERSION, on, port);
	print_curl(p->bundle->settings, host, port);
	fflush(stdout);
}

static int serve(struct program *p)
{
	struct mw_err err = {0};
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	struct mw_watch *watches[MW_LEN(signals)];
	for (size_t i = 0; i < MW_LEN(signals); i++)
		watches[i] = mw_loop_signal(p->loop, signals[i], on_signal, p);
	bool ok = start_workers(p, &err);
	if (ok) {
		p->reload = mw_reload_new(p->loop, &p->gateway, p->bundle, read_settings, p);
		greet(p);
		mw_bundle_unref(p->bundle); /* old settings go when new ones are in place */
		p->bundle = NULL;
		mw_loop_run(p->loop);
	} else {
		fprintf(stderr, "moonweir: %s\n", err.text);
		drain(p);
	}
	for (size_t i = 0; i < MW_LEN(signals); i++)
		mw_loop_unwatch(watches[i]);
	signal(SIGTERM, hasty);
	signal(SIGINT, hasty);
	signal(SIGHUP, SIG_IGN); /* there is nothing to read anew for */
	stop_workers(p);
	mw_reload_free(p->reload);
	return ok ? 0 : 1;
}

static bool prepare(struct program *p, struct mw_err *err)
{
	p->loop = mw_loop_new();
	p->env.ops = &main_env;
	mw_rng_seed(&p->env.rng, mw_system_random());
	p->metrics = mw_metrics_new(p->options.workers + 1); /* one more for the main thread */
	p->healths = mw_healths_new();
	p->gateway = (struct mw_gateway){
	    .metrics = p->metrics,
	    .watchdog = mw_watchdog_new(),
	    .stats = mw_stats_new(),
	    .host = p->options.host,
	    .port = p->options.port,
	};
	p->runtime = mw_runtime_new(&p->env, err);
	if (!p->runtime)
		return false;
	p->world = (struct mw_settings_world){
	    .metrics = p->metrics,
	    .healths = p->healths,
	    .prepare = mw_runtime_prepare,
	    .wildcards = mw_runtime_wildcards,
	    .arg = p->runtime,
	    .warn = warn,
	    .price_table = mw_embedded_text("lua/prices.json"),
	};
	p->bundle = read_bundle(p, err);
	return p->bundle;
}

static void release(struct program *p)
{
	mw_bundle_unref(p->bundle);
	mw_runtime_free(p->runtime);
	mw_watchdog_free(p->gateway.watchdog);
	mw_stats_free(p->gateway.stats);
	mw_healths_free(p->healths);
	mw_metrics_free(p->metrics);
	mw_loop_free(p->loop);
}

/* A stream takes two sockets; the usual soft limit of 1024 is there for programs that use select. */
static void allow_many_files(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
	struct program p = {
	    .options = parse_arguments(argc, argv), .in_terminal = isatty(STDIN_FILENO)};
	struct mw_err err = {0};
	mw_mem_tune();
	allow_many_files();
	signal(SIGPIPE, SIG_IGN);
	mw_multi_global_init();
	int rc = 1;
	if (prepare(&p, &err))
		rc = p.options.check ? check(&p) : serve(&p);
	else
		fprintf(stderr, "moonweir: %s\n", err.text);
	release(&p);
	mw_multi_global_deinit();
	return rc;
}
