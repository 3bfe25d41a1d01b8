/* SPDX-License-Identifier: MIT
 *
 * shared/metrics: sums over workers, the Prometheus text, and series made while workers count.
 */
#include "shared/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The text, ended by a NUL; to be freed with mw_buf_deinit. */
static const char *text_of(struct mw_metrics *m, struct mw_buf *b)
{
	mw_buf_init(b, 64u << 20);
	mw_metrics_write(m, b);
	mw_buf_addc(b, '\0');
	assert_false(b->full);
	return b->p;
}

static void assert_line(const char *text, const char *line)
{
	size_t n = strlen(line);
	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, line, n) == 0 && at[n] == '\n')
			return;
		if (*at == '\0')
			break;
	}
	fail_msg("no line '%s' in:\n%s", line, text);
}

static void counters_are_summed_over_workers(void **state)
{
	(void)state;
	struct mw_metrics *m = mw_metrics_new(2);
	size_t s = mw_metrics_series(m, MW_STR("gpt"), MW_STR("t1"), MW_STR("openai"));
	mw_metrics_add(mw_metrics_cells(m, 0), MW_METRIC_ATTEMPTS, s, 1);
	mw_metrics_add(mw_metrics_cells(m, 1), MW_METRIC_ATTEMPTS, s, 1);
	mw_metrics_add(mw_metrics_cells(m, 1), MW_METRIC_ATTEMPTS, s, 1);
	mw_metrics_add(mw_metrics_cells(m, 0), MW_METRIC_IN_FLIGHT, s, 3);
	mw_metrics_add(mw_metrics_cells(m, 0), MW_METRIC_IN_FLIGHT, s, -1);
	mw_metrics_add(mw_metrics_cells(m, 0), MW_METRIC_COST, s, 0.25);
	mw_metrics_add(mw_metrics_cells(m, 0), MW_METRIC_RELOADS, 0, 1);
	struct mw_buf b;
	const char *text = text_of(m, &b);
	assert_line(text, "# TYPE moonweir_attempts_total counter");
	assert_line(
	    text, "moonweir_attempts_total{model=\"gpt\",target=\"t1\",provider=\"openai\"} 3");
	assert_line(text, "moonweir_in_flight{model=\"gpt\",target=\"t1\",provider=\"openai\"} 2");
	assert_line(text,
	    "moonweir_cost_dollars_total{model=\"gpt\",target=\"t1\",provider=\"openai\"} 0.25");
	assert_line(
	    text, "moonweir_fallbacks_total{model=\"gpt\",target=\"t1\",provider=\"openai\"} 0");
	assert_line(text, "moonweir_reloads_total 1");
	assert_line(text, "moonweir_reload_errors_total 0");
	mw_buf_deinit(&b);
	mw_metrics_free(m);
}

static void calls_are_counted_by_status(void **state)
{
	(void)state;
	struct mw_metrics *m = mw_metrics_new(2);
	size_t s = mw_metrics_series(m, MW_STR("gpt"), MW_STR("t1"), MW_STR("openai"));
	mw_metrics_call(mw_metrics_cells(m, 0), s, 200);
	mw_metrics_call(mw_metrics_cells(m, 0), s, 503);
	mw_metrics_call(mw_metrics_cells(m, 1), s, 429);
	mw_metrics_call(mw_metrics_cells(m, 1), s, 200);
	mw_metrics_call(mw_metrics_cells(m, 1), 0, 404);
	struct mw_buf b;
	const char *text = text_of(m, &b);
	const char *all =
	    "moonweir_calls_total{model=\"\",target=\"\",provider=\"\",status=\"404\"} 1\n"
	    "moonweir_calls_total{model=\"gpt\",target=\"t1\",provider=\"openai\",status=\"200\"} "
	    "2\n"
	    "moonweir_calls_total{model=\"gpt\",target=\"t1\",provider=\"openai\",status=\"429\"} "
	    "1\n"
	    "moonweir_calls_total{model=\"gpt\",target=\"t1\",provider=\"openai\",status=\"503\"} "
	    "1\n";
	assert_non_null(strstr(text, all));
	mw_buf_deinit(&b);
	mw_metrics_free(m);
}

static void too_many_statuses_are_other(void **state)
{
	(void)state;
	struct mw_metrics *m = mw_metrics_new(1);
	for (int i = 0; i < 30; i++)
		mw_metrics_call(mw_metrics_cells(m, 0), 0, 400 + i);
	mw_metrics_call(mw_metrics_cells(m, 0), 0, 400);
	struct mw_buf b;
	const char *text = text_of(m, &b);
	assert_line(
	    text, "moonweir_calls_total{model=\"\",target=\"\",provider=\"\",status=\"400\"} 2");
	assert_line(
	    text, "moonweir_calls_total{model=\"\",target=\"\",provider=\"\",status=\"414\"} 1");
	assert_line(
	    text, "moonweir_calls_total{model=\"\",target=\"\",provider=\"\",status=\"other\"} 15");
	mw_buf_deinit(&b);
	mw_metrics_free(m);
}

#define FIRST_TOKEN "moonweir_first_token_seconds"
#define LABELS      "model=\"m\",target=\"t\",provider=\"p\""

static void histograms_are_cumulative(void **state)
{
	(void)state;
	struct mw_metrics *m = mw_metrics_new(2);
	size_t s = mw_metrics_series(m, MW_STR("m"), MW_STR("t"), MW_STR("p"));
	mw_metrics_observe(
	    mw_metrics_cells(m, 0), MW_METRIC_FIRST_TOKEN, s, 0.001); /* on a bound: within */
	mw_metrics_observe(mw_metrics_cells(m, 1), MW_METRIC_FIRST_TOKEN, s, 0.5);
	mw_metrics_observe(mw_metrics_cells(m, 1), MW_METRIC_FIRST_TOKEN, s, 1000);
	struct mw_buf b;
	const char *text = text_of(m, &b);
	assert_line(text, FIRST_TOKEN "_bucket{" LABELS ",le=\"0.0005\"} 0");
	assert_line(text, FIRST_TOKEN "_bucket{" LABELS ",le=\"0.001\"} 1");
	assert_line(text, FIRST_TOKEN "_bucket{" LABELS ",le=\"0.25\"} 1");
	assert_line(text, FIRST_TOKEN "_bucket{" LABELS ",le=\"0.5\"} 2");
	assert_line(text, FIRST_TOKEN "_bucket{" LABELS ",le=\"600\"} 2");
	assert_line(text, FIRST_TOKEN "_bucket{" LABELS ",le=\"+Inf\"} 3");
	assert_line(text, FIRST_TOKEN "_sum{" LABELS "} 1000.501");
	assert_line(text, FIRST_TOKEN "_count{" LABELS "} 3");
	assert_null(
	    strstr(text, "moonweir_call_seconds_bucket")); /* nothing observed, nothing said */
	mw_buf_deinit(&b);
	mw_metrics_free(m);
}

static void label_values_are_escaped(void **state)
{
	(void)state;
	struct mw_metrics *m = mw_metrics_new(1);
	mw_metrics_series(m, MW_STR("a\"b"), MW_STR("c\\d"), MW_STR("e\nf"));
	struct mw_buf b;
	assert_line(text_of(m, &b),
	    "moonweir_attempts_total{model=\"a\\\"b\",target=\"c\\\\d\",provider=\"e\\nf\"} 0");
	mw_buf_deinit(&b);
	mw_metrics_free(m);
}

static void a_pair_has_one_series(void **state)
{
	(void)state;
	struct mw_metrics *m = mw_metrics_new(1);
	assert_int_equal(mw_metrics_series(m, MW_NOSTR, MW_NOSTR, MW_NOSTR), 0);
	size_t s = mw_metrics_series(m, MW_STR("m"), MW_STR("t"), MW_STR("p"));
	assert_int_equal(s, 1);
	assert_int_equal(mw_metrics_series(m, MW_STR("m"), MW_STR("u"), MW_STR("p")), 2);
	assert_int_equal(mw_metrics_series(m, MW_STR("m"), MW_STR("t"), MW_STR("p")), s);
	mw_metrics_free(m);
}

static void many_series_keep_their_counts(void **state)
{
	(void)state;
	struct mw_metrics *m = mw_metrics_new(1);
	char name[16];
	for (int i = 1; i <= 200; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		assert_int_equal(mw_metrics_series(m, MW_STR("m"), mw_str(name), MW_STR("p")), i);
		mw_metrics_add(mw_metrics_cells(m, 0), MW_METRIC_TOKENS_PROMPT, (size_t)i, i);
	}
	struct mw_buf b;
	const char *text = text_of(m, &b);
	for (int i = 1; i <= 200; i++) {
		char line[128];
		snprintf(line, sizeof(line),
		    "moonweir_prompt_tokens_total{model=\"m\",target=\"t%d\",provider=\"p\"} %d", i,
		    i);
		assert_line(text, line);
	}
	mw_buf_deinit(&b);
	mw_metrics_free(m);
}

static void the_process_is_described(void **state)
{
	(void)state;
	struct mw_metrics *m = mw_metrics_new(1);
	struct mw_buf b;
	const char *text = text_of(m, &b);
	assert_line(text, "moonweir_build_info{version=\"" MW_VERSION "\"} 1");
	const char *memory = strstr(text, "\nprocess_resident_memory_bytes ");
	assert_non_null(memory);
	assert_true(strtod(memory + strlen("\nprocess_resident_memory_bytes "), NULL) > 100000);
	const char *start = strstr(text, "\nprocess_start_time_seconds ");
	assert_non_null(start);
	assert_true(strtod(start + strlen("\nprocess_start_time_seconds "), NULL) > 1.6e9);
	mw_buf_deinit(&b);
	mw_metrics_free(m);
}

/* Everything at once through promtool; skipped where it is not installed. */
static void promtool_is_content(void **state)
{
	(void)state;
	if (system("command -v promtool >/dev/null 2>&1") != 0) {
		print_message("promtool is not installed: skipped\n");
		skip();
	}
	struct mw_metrics *m = mw_metrics_new(2);
	size_t s = mw_metrics_series(m, MW_STR("a \"b\" \\ \n c"), MW_STR("öäü"), MW_STR("p"));
	struct mw_metric_cells *c = mw_metrics_cells(m, 1);
	mw_metrics_call(c, s, 200);
	mw_metrics_call(c, 0, 401);
	mw_metrics_observe(c, MW_METRIC_LATENCY, s, 0.3);
	mw_metrics_observe(c, MW_METRIC_OVERHEAD, s, 0.0003);
	mw_metrics_add(c, MW_METRIC_COST, s, 1e-7);
	struct mw_buf b;
	const char *text = text_of(m, &b);
	FILE *p = popen("promtool check metrics >&2", "w");
	assert_non_null(p);
	fwrite(text, 1, strlen(text), p);
	assert_int_equal(pclose(p), 0);
	mw_buf_deinit(&b);
	mw_metrics_free(m);
}

/* ---- threads: run under SAN=thread too ------------------------------------------------------- */

enum { WORKERS = 3, ROUNDS = 20000, NEW_SERIES = 100 };

struct shared {
	struct mw_metrics *m;
	_Atomic size_t newest; /* series that the main thread has handed out */
	_Atomic int next_worker, running;
};

static void *count(void *arg)
{
	struct shared *sh = arg;
	struct mw_metric_cells *c = mw_metrics_cells(sh->m, (size_t)sh->next_worker++);
	for (int i = 0; i < ROUNDS; i++) {
		size_t series = (size_t)i % (sh->newest + 1);
		mw_metrics_add(c, MW_METRIC_ATTEMPTS, series, 1);
		mw_metrics_observe(c, MW_METRIC_LATENCY, series, 0.01);
		mw_metrics_call(c, series, 200 + i % 3);
	}
	sh->running--;
	return NULL;
}

static double total_of(const char *text, const char *name)
{
	double sum = 0;
	size_t n = strlen(name);
	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, name, n) == 0)
			sum += strtod(strchr(at, '}') + 1, NULL);
	}
	return sum;
}

static void series_may_be_made_while_workers_count(void **state)
{
	(void)state;
	struct shared sh = {.m = mw_metrics_new(WORKERS), .running = WORKERS};
	pthread_t threads[WORKERS];
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, &sh), 0);
	struct mw_buf b;
	for (int i = 1; i <= NEW_SERIES; i++) {
		char name[16];
		snprintf(name, sizeof(name), "t%d", i);
		sh.newest = mw_metrics_series(sh.m, MW_STR("m"), mw_str(name), MW_STR("p"));
		if (i % 20 == 0) {
			text_of(sh.m, &b);
			mw_buf_deinit(&b);
		}
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	const char *text = text_of(sh.m, &b);
	assert_true(total_of(text, "moonweir_attempts_total{") == WORKERS * ROUNDS);
	assert_true(total_of(text, "moonweir_call_seconds_count{") == WORKERS * ROUNDS);
	assert_true(total_of(text, "moonweir_calls_total{") == WORKERS * ROUNDS);
	mw_buf_deinit(&b);
	mw_metrics_free(sh.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counters_are_summed_over_workers),
	    cmocka_unit_test(calls_are_counted_by_status),
	    cmocka_unit_test(too_many_statuses_are_other),
	    cmocka_unit_test(histograms_are_cumulative),
	    cmocka_unit_test(label_values_are_escaped),
	    cmocka_unit_test(a_pair_has_one_series),
	    cmocka_unit_test(many_series_keep_their_counts),
	    cmocka_unit_test(the_process_is_described),
	    cmocka_unit_test(promtool_is_content),
	    cmocka_unit_test(series_may_be_made_while_workers_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
