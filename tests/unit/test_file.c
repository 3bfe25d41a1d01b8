/* SPDX-License-Identifier: MIT
 *
 * base/file: whole files, up to a ceiling, from the disk and from pipes.
 */
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static char path[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(path, "/tmp/moonweir-file-XXXXXX");
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

static void fill(const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void a_file_up_to_the_ceiling(void **state)
{
	(void)state;
	struct mw_arena *a = mw_arena_new();
	struct mw_str text;
	struct mw_err err = {0};
	assert_true(mw_file_read(path, 4, a, &text, &err));
	assert_int_equal(text.n, 0);
	fill("abcd");
	assert_true(mw_file_read(path, 4, a, &text, &err));
	assert_true(mw_str_is(text, "abcd"));
	assert_int_equal(text.p[4], '\0');
	fill("abcde");
	assert_false(mw_file_read(path, 4, a, &text, &err));
	assert_int_equal(err.code, MW_ERR_SETTINGS);
	assert_non_null(strstr(err.text, "it is larger than"));
	assert_false(mw_file_read(path, 4, a, &text, NULL));
	mw_arena_free(a);
}

static void what_cannot_be_read(void **state)
{
	(void)state;
	struct mw_arena *a = mw_arena_new();
	struct mw_str text;
	struct mw_err err = {0};
	assert_false(mw_file_read("/none/at/all", 4, a, &text, &err));
	assert_string_equal(err.text, "/none/at/all: No such file or directory");
	assert_false(mw_file_read("/", 4, a, &text, &err));
	assert_string_equal(err.text, "/: Is a directory");
	mw_arena_free(a);
}

static void a_pipe_is_read_to_its_end(void **state)
{
	(void)state;
	int ends[2];
	char name[32];
	struct mw_arena *a = mw_arena_new();
	struct mw_str text;
	struct mw_err err = {0};
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "from a pipe", 11), 11);
	close(ends[1]);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[0]);
	assert_true(mw_file_read(name, 100, a, &text, &err));
	assert_true(mw_str_is(text, "from a pipe"));
	close(ends[0]);
	mw_arena_free(a);
}

static void a_pipe_that_nobody_writes_into_is_given_up(void **state)
{
	(void)state;
	struct mw_arena *a = mw_arena_new();
	struct mw_str text;
	struct mw_err err = {0};
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(mw_file_read(path, 100, a, &text, &err));
	assert_non_null(strstr(err.text, "timed out"));
	unlink(path);
	mw_arena_free(a);
	fill("");
}

static void on_alarm(int number)
{
	(void)number;
}

static void a_signal_does_not_end_the_wait_for_a_pipe(void **state)
{
	(void)state;
	struct mw_arena *a = mw_arena_new();
	struct mw_str text;
	struct mw_err err = {0};
	struct sigaction action = {.sa_handler = on_alarm}, before;
	struct itimerval soon = {.it_value = {0, 5000}};
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_false(mw_file_read(path, 100, a, &text, &err));
	assert_non_null(strstr(err.text, "timed out"));
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	unlink(path);
	mw_arena_free(a);
	fill("");
}

static void a_stamp_changes_with_the_file(void **state)
{
	(void)state;
	uint64_t empty = mw_file_stamp(path);
	assert_int_equal(mw_file_stamp(path), empty);
	fill("x");
	assert_int_not_equal(mw_file_stamp(path), empty);
	assert_int_equal(mw_file_stamp("/none/at/all"), mw_file_stamp("/none/of/it"));
	assert_int_not_equal(mw_file_stamp("/none/at/all"), mw_file_stamp(path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_file_up_to_the_ceiling),
	    TEST(what_cannot_be_read),
	    TEST(a_pipe_is_read_to_its_end),
	    TEST(a_pipe_that_nobody_writes_into_is_given_up),
	    TEST(a_signal_does_not_end_the_wait_for_a_pipe),
	    TEST(a_stamp_changes_with_the_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
