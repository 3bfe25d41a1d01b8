/* SPDX-License-Identifier: MIT
 *
 * net/sse: what is an event, whatever the line ends and the cuts.
 */
#include "net/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { CEILING = 1 << 20 };

/* What came out, as text: "name|data|raw" and an end mark for each event. */
struct seen {
	struct mw_buf text;
	size_t n, stop_after;
	const char *from, *to; /* raw must lie inside these bytes, if set */
	bool copied;
};

static bool on_event(void *arg, const struct mw_sse_event *ev)
{
	struct seen *s = arg;
	mw_buf_add(&s->text, ev->name);
	mw_buf_addc(&s->text, '|');
	mw_buf_add(&s->text, ev->data);
	mw_buf_addc(&s->text, '|');
	mw_buf_add(&s->text, ev->raw);
	mw_buf_addz(&s->text, "<end>");
	if (ev->raw.p < s->from || ev->raw.p + ev->raw.n > s->to)
		s->copied = true;
	return ++s->n != s->stop_after;
}

/* Feeds the text in pieces of `step` bytes and finishes. */
static enum mw_sse_result play(struct mw_str text, size_t step, size_t max, struct seen *out)
{
	struct mw_sse s;
	enum mw_sse_result r = MW_SSE_OK;
	*out = (struct seen){.from = text.p, .to = text.p + text.n};
	mw_buf_init(&out->text, 8 * CEILING);
	mw_sse_init(&s, max);
	for (size_t at = 0; at < text.n && r == MW_SSE_OK; at += step)
		r = mw_sse_feed(&s, mw_strn(text.p + at, MW_MIN(step, text.n - at)), on_event, out);
	if (r == MW_SSE_OK)
		r = mw_sse_finish(&s, on_event, out);
	mw_sse_deinit(&s);
	return r;
}

static void assert_text(struct mw_str got, const char *want)
{
	if (!mw_str_is(got, want))
		fail_msg("got  [%.*s]\nwant [%s]", MW_FMT(got), want);
}

/* The text gives `want`, fed whole, in pieces of every size, and in two pieces cut at every byte.
 */
static void check(const char *text, const char *want)
{
	struct mw_str t = mw_str(text);
	struct seen seen;
	for (size_t step = 1; step <= t.n; step++) {
		assert_int_equal(play(t, step, CEILING, &seen), MW_SSE_OK);
		assert_text(mw_buf_str(&seen.text), want);
		mw_buf_deinit(&seen.text);
	}
	for (size_t cut = 0; cut <= t.n; cut++) {
		struct mw_sse s;
		seen = (struct seen){0};
		mw_buf_init(&seen.text, CEILING);
		mw_sse_init(&s, CEILING);
		assert_int_equal(mw_sse_feed(&s, mw_strn(t.p, cut), on_event, &seen), MW_SSE_OK);
		assert_int_equal(
		    mw_sse_feed(&s, mw_strn(t.p + cut, t.n - cut), on_event, &seen), MW_SSE_OK);
		assert_int_equal(mw_sse_finish(&s, on_event, &seen), MW_SSE_OK);
		assert_text(mw_buf_str(&seen.text), want);
		mw_sse_deinit(&s);
		mw_buf_deinit(&seen.text);
	}
}

static void takes_all_three_line_ends(void **state)
{
	(void)state;
	check("data: a\n\ndata: b\n\n", "|a|data: a\n\n<end>|b|data: b\n\n<end>");
	check("data: a\r\n\r\ndata: b\r\n\r\n", "|a|data: a\r\n\r\n<end>|b|data: b\r\n\r\n<end>");
	check("data: a\r\rdata: b\r\r", "|a|data: a\r\r<end>|b|data: b\r\r<end>");
}

static void takes_mixed_line_ends(void **state)
{
	(void)state;
	check("event: x\rdata: a\n\r", "x|a|event: x\rdata: a\n\r<end>");
	check("data: a\r\n\ndata: b\n\r\ndata: c\n\n",
	    "|a|data: a\r\n\n<end>|b|data: b\n\r<end>|c|\ndata: c\n\n<end>");
	check("data: a\r\n\rdata: b\r\r\n", "|a|data: a\r\n\r<end>|b|data: b\r\r<end>");
}

static void joins_data_lines(void **state)
{
	(void)state;
	check("data: a\ndata: b\ndata:c\n\n", "|a\nb\nc|data: a\ndata: b\ndata:c\n\n<end>");
	check("data\ndata\n\n", "|\n|data\ndata\n\n<end>");
	check("data: a\ndata\n\n", "|a\n|data: a\ndata\n\n<end>");
}

static void drops_one_space_only(void **state)
{
	(void)state;
	check("data:  a \ndata:b\n\n", "| a \nb|data:  a \ndata:b\n\n<end>");
}

static void keeps_comments_in_raw_only(void **state)
{
	(void)state;
	check(": hello\nid: 7\nretry: 9\nevent: e\ndata: a\n: more\n\n",
	    "e|a|: hello\nid: 7\nretry: 9\nevent: e\ndata: a\n: more\n\n<end>");
	check(":data: no\n\ndata: x:y\n\n", "|x:y|data: x:y\n\n<end>");
}

static void gives_no_event_without_data(void **state)
{
	(void)state;
	check(": OPENROUTER PROCESSING\n\n\n\n: again\r\n\r\n", "");
	check("event: ping\n\nevent: e\ndata:\n\ndatax: 1\n\ndata: a\n\n", "|a|data: a\n\n<end>");
}

static void takes_the_last_event_line(void **state)
{
	(void)state;
	check("event: a\nevent: b\ndata: 1\n\ndata: 2\n\n",
	    "b|1|event: a\nevent: b\ndata: 1\n\n<end>|2|data: 2\n\n<end>");
}

static void skips_one_bom(void **state)
{
	(void)state;
	check("\xef\xbb\xbf"
	      "data: a\n\n\xef\xbb\xbf"
	      "data: b\n\ndata: c\n\n",
	    "|a|data: a\n\n<end>|c|data: c\n\n<end>");
	check("\xef\xbb"
	      "data: a\ndata: b\n\n",
	    "|b|\xef\xbb"
	    "data: a\ndata: b\n\n<end>");
	check("\xef\xbb\xbf\xef\xbb\xbf"
	      "data: a\n\n",
	    "");
	check("\xef", "");
}

static void gives_the_last_event_without_its_empty_line(void **state)
{
	(void)state;
	check("data: a\n\ndata: b", "|a|data: a\n\n<end>|b|data: b<end>");
	check("data: a\r\n", "|a|data: a\r\n<end>");
	check("data: a\r\n\r", "|a|data: a\r\n\r<end>");
}

static void cuts_inside_utf8_are_harmless(void **state)
{
	(void)state;
	check("data: {\"t\":\"\xf0\x9f\x8c\x99\xc3\xa9\"}\n\n",
	    "|{\"t\":\"\xf0\x9f\x8c\x99\xc3\xa9\"}|data: "
	    "{\"t\":\"\xf0\x9f\x8c\x99\xc3\xa9\"}\n\n<end>");
}

static void a_bare_cr_event_is_given_at_once(void **state)
{
	(void)state;
	struct mw_sse s;
	struct seen seen = {0};
	mw_buf_init(&seen.text, CEILING);
	mw_sse_init(&s, CEILING);
	assert_int_equal(mw_sse_feed(&s, MW_STR("data: a\r\r"), on_event, &seen), MW_SSE_OK);
	assert_int_equal(seen.n, 1);
	assert_int_equal(mw_sse_feed(&s, MW_STR("data: b\n\n"), on_event, &seen), MW_SSE_OK);
	assert_int_equal(seen.n, 2);
	mw_sse_deinit(&s);
	mw_buf_deinit(&seen.text);
}

static void copies_nothing_of_whole_events(void **state)
{
	(void)state;
	struct mw_str t = MW_STR("data: a\n\nevent: x\r\ndata: b\r\n\r\ndata: c\ndata: d\n\n");
	struct seen seen;
	assert_int_equal(play(t, t.n, CEILING, &seen), MW_SSE_OK);
	assert_int_equal(seen.n, 3);
	assert_false(seen.copied);
	mw_buf_deinit(&seen.text);
}

static void refuses_an_event_over_the_ceiling(void **state)
{
	(void)state;
	struct mw_str t = MW_STR("data: ok\n\ndata: 12345678\n\ndata: never\n\n");
	for (size_t step = 1; step <= t.n; step++) {
		struct seen seen;
		assert_int_equal(play(t, step, 15, &seen), MW_SSE_TOO_LARGE);
		assert_text(mw_buf_str(&seen.text), "|ok|data: ok\n\n<end>");
		mw_buf_deinit(&seen.text);
		assert_int_equal(play(t, step, 16, &seen), MW_SSE_OK);
		assert_int_equal(seen.n, 3);
		mw_buf_deinit(&seen.text);
	}
}

static void a_line_without_end_meets_the_ceiling(void **state)
{
	(void)state;
	struct seen seen;
	assert_int_equal(play(MW_STR(": 3456789"), 1, 8, &seen), MW_SSE_TOO_LARGE);
	mw_buf_deinit(&seen.text);
}

static void heartbeats_do_not_add_up(void **state)
{
	(void)state;
	struct mw_sse s;
	struct seen seen = {0};
	mw_buf_init(&seen.text, CEILING);
	mw_sse_init(&s, 32);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(
		    mw_sse_feed(&s, MW_STR(": keep-alive\n\n: k"), on_event, &seen), MW_SSE_OK);
	assert_int_equal(seen.n, 0);
	mw_sse_deinit(&s);
	mw_buf_deinit(&seen.text);
}

static void the_callback_can_stop(void **state)
{
	(void)state;
	struct mw_str t = MW_STR("data: a\n\ndata: b\n\n");
	for (size_t step = 1; step <= t.n; step++) {
		struct mw_sse s;
		struct seen seen = {.stop_after = 1};
		enum mw_sse_result r = MW_SSE_OK;
		mw_buf_init(&seen.text, CEILING);
		mw_sse_init(&s, CEILING);
		for (size_t at = 0; at < t.n && r == MW_SSE_OK; at += step)
			r = mw_sse_feed(
			    &s, mw_strn(t.p + at, MW_MIN(step, t.n - at)), on_event, &seen);
		assert_int_equal(r, MW_SSE_STOPPED);
		assert_int_equal(seen.n, 1);
		mw_sse_deinit(&s);
		mw_buf_deinit(&seen.text);
	}
}

static bool deinit_and_stop(void *arg, const struct mw_sse_event *ev)
{
	assert_text(ev->data, "a");
	mw_sse_deinit(arg);
	return false;
}

static void the_callback_can_deinitialise(void **state)
{
	(void)state;
	struct mw_sse s;
	mw_sse_init(&s, CEILING);
	assert_int_equal(mw_sse_feed(&s, MW_STR("data:"), deinit_and_stop, &s), MW_SSE_OK);
	assert_int_equal(
	    mw_sse_feed(&s, MW_STR(" a\n\ndata: b\n\n"), deinit_and_stop, &s), MW_SSE_STOPPED);
}

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds for one event of n bytes that comes byte by byte. */
static double drip(size_t n, char filler)
{
	struct mw_sse s;
	struct seen seen = {0};
	double start = cpu_seconds();
	mw_buf_init(&seen.text, 64 * CEILING);
	mw_sse_init(&s, 64 * CEILING);
	assert_int_equal(mw_sse_feed(&s, MW_STR("data: y"), on_event, &seen), MW_SSE_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(
		    mw_sse_feed(&s, mw_strn(i % 7 ? "x" : &filler, 1), on_event, &seen), MW_SSE_OK);
	assert_int_equal(mw_sse_feed(&s, MW_STR("\n\n"), on_event, &seen), MW_SSE_OK);
	assert_int_equal(seen.n, 1);
	mw_sse_deinit(&s);
	mw_buf_deinit(&seen.text);
	return cpu_seconds() - start;
}

/* A quadratic decoder would need hours for these. */
static void time_is_linear_in_the_bytes(void **state)
{
	(void)state;
	assert_true(drip(2000000, 'x') < 10.0);
	assert_true(drip(2000000, '\r') < 10.0);

	size_t n = 4000000;
	char *text = malloc(n);
	struct seen seen;
	assert_non_null(text);
	memset(text, 'x', n);
	for (size_t i = 0; i < n; i += 2)
		text[i] = '\r';
	double start = cpu_seconds();
	assert_int_equal(play(mw_strn(text, n), n, 8 * CEILING, &seen), MW_SSE_OK);
	assert_true(cpu_seconds() - start < 10.0);
	mw_buf_deinit(&seen.text);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_all_three_line_ends),
	    cmocka_unit_test(takes_mixed_line_ends),
	    cmocka_unit_test(joins_data_lines),
	    cmocka_unit_test(drops_one_space_only),
	    cmocka_unit_test(keeps_comments_in_raw_only),
	    cmocka_unit_test(gives_no_event_without_data),
	    cmocka_unit_test(takes_the_last_event_line),
	    cmocka_unit_test(skips_one_bom),
	    cmocka_unit_test(gives_the_last_event_without_its_empty_line),
	    cmocka_unit_test(cuts_inside_utf8_are_harmless),
	    cmocka_unit_test(a_bare_cr_event_is_given_at_once),
	    cmocka_unit_test(copies_nothing_of_whole_events),
	    cmocka_unit_test(refuses_an_event_over_the_ceiling),
	    cmocka_unit_test(a_line_without_end_meets_the_ceiling),
	    cmocka_unit_test(heartbeats_do_not_add_up),
	    cmocka_unit_test(the_callback_can_stop),
	    cmocka_unit_test(the_callback_can_deinitialise),
	    cmocka_unit_test(time_is_linear_in_the_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
