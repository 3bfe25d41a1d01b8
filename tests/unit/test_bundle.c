/* SPDX-License-Identifier: MIT
 *
 * shared/bundle: reading policies from the disk and from what is shipped, and noticing changes. The
 * settings are made by hand: a bundle needs little of them.
 */
#include "shared/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/moonweir-bundle-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

static void write_file(const char *name, const char *text, size_t n)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

static void write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

static void make_folder(const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static struct mw_str shipped(struct mw_str name)
{
	if (!name.n)
		return MW_STR("shipped, other");
	return mw_str_is(name, "shipped") ? MW_STR("return 'shipped'") : MW_NOSTR;
}

/* Settings with one policy: a path below the folder, or a shipped name. */
static struct mw_settings *settings_with(const char *path, const char *name)
{
	struct mw_arena *a = mw_arena_new();
	struct mw_settings *s = mw_arena_zalloc(a, sizeof(*s));
	s->arena = a;
	s->refs = 1;
	s->policies = mw_arena_zalloc(a, sizeof(*s->policies));
	s->n_policies = 1;
	s->policies[0] =
	    (struct mw_policy_ref){.params = MW_STR("{}"), .file = "config.yaml", .line = 7};
	if (path)
		s->policies[0].path = mw_arena_printf(a, "%s/%s", folder, path);
	else
		s->policies[0].name = mw_arena_dup(a, mw_str(name));
	const char **files = mw_arena_alloc(a, sizeof(*files));
	files[0] = mw_arena_printf(a, "%s/config.yaml", folder).p;
	s->files = files;
	s->n_files = 1;
	return s;
}

static struct mw_bundle *read_one(const char *path, const char *name, struct mw_err *err)
{
	struct mw_settings *s = settings_with(path, name);
	*err = (struct mw_err){0};
	struct mw_bundle *b = mw_bundle_read(s, shipped, err);
	mw_settings_unref(s); /* the bundle holds its own */
	return b;
}

static struct mw_bundle *good(const char *path, const char *name)
{
	struct mw_err err;
	struct mw_bundle *b = read_one(path, name, &err);
	if (!b)
		fail_msg("%s", err.text);
	return b;
}

static void assert_refused(const char *path, const char *name, const char *says)
{
	struct mw_err err;
	assert_null(read_one(path, name, &err));
	assert_int_equal(err.code, MW_ERR_SETTINGS);
	if (strncmp(err.text, "config.yaml:7: ", 15) != 0 || !strstr(err.text, says))
		fail_msg("'%s' does not say '%s'", err.text, says);
}

static void assert_file(const struct mw_bundle *b, size_t i, const char *name, const char *text)
{
	assert_true(i < b->policies[0].n_files);
	const struct mw_bundle_file *f = &b->policies[0].files[i];
	if (!mw_str_is(f->name, name) || !mw_str_is(f->text, text))
		fail_msg("file %zu is '%.*s': '%.*s'", i, MW_FMT(f->name), MW_FMT(f->text));
	assert_true(mw_str_ends(f->path, f->name));
}

/* ---- reading --------------------------------------------------------------------------------- */

static void a_single_file(void **state)
{
	(void)state;
	write_text("mine.lua", "return 1");
	struct mw_bundle *b = good("mine.lua", NULL);
	assert_int_equal(b->n_policies, 1);
	assert_int_equal(b->policies[0].n_files, 1);
	assert_file(b, 0, "mine.lua", "return 1");
	assert_ptr_equal(b->policies[0].ref, &b->settings->policies[0]);
	mw_bundle_unref(b);
}

static void a_folder_with_its_entry_first(void **state)
{
	(void)state;
	make_folder("p");
	make_folder("p/lib");
	make_folder("p/lib/deep");
	make_folder("p/empty");
	write_text("p/a.lua", "a");
	write_text("p/policy.lua", "entry");
	write_text("p/lib/deep/z.lua", "z");
	write_text("p/lib/b.lua", "b");
	write_text("p/README.md", "no Lua");
	write_text("p/.#a.lua", "an editor's lock");
	struct mw_bundle *b = good("p", NULL);
	assert_int_equal(b->policies[0].n_files, 4);
	assert_file(b, 0, "policy.lua", "entry");
	assert_file(b, 1, "a.lua", "a");
	assert_file(b, 2, "lib/b.lua", "b");
	assert_file(b, 3, "lib/deep/z.lua", "z");
	mw_bundle_unref(b);
	write_text("p/init.lua", "other");
	b = good("p", NULL);
	assert_file(b, 0, "policy.lua", "entry");
	assert_file(b, 1, "init.lua", "other");
	mw_bundle_unref(b);
}

static void init_lua_is_an_entry_too(void **state)
{
	(void)state;
	make_folder("p");
	write_text("p/a.lua", "a");
	write_text("p/init.lua", "entry");
	struct mw_bundle *b = good("p", NULL);
	assert_file(b, 0, "init.lua", "entry");
	assert_file(b, 1, "a.lua", "a");
	mw_bundle_unref(b);
}

static void a_shipped_policy(void **state)
{
	(void)state;
	struct mw_bundle *b = good(NULL, "shipped");
	assert_int_equal(b->policies[0].n_files, 1);
	assert_file(b, 0, "shipped.lua", "return 'shipped'");
	assert_true(mw_str_is(b->policies[0].files[0].path, "policies/shipped.lua"));
	mw_bundle_unref(b);
}

static void the_version_follows_from_names_and_texts(void **state)
{
	(void)state;
	make_folder("p");
	write_text("p/init.lua", "one");
	write_text("p/a.lua", "two");
	struct mw_bundle *b = good("p", NULL);
	char first[17];
	memcpy(first, b->policies[0].version, sizeof(first));
	assert_int_equal(strspn(first, "0123456789abcdef"), 16);
	mw_bundle_unref(b);
	b = good("p", NULL);
	assert_string_equal(b->policies[0].version, first);
	mw_bundle_unref(b);
	write_text("p/a.lua", "twp");
	b = good("p", NULL);
	assert_string_not_equal(b->policies[0].version, first);
	mw_bundle_unref(b);
	/* the same bytes under other names */
	char from[256], to[256];
	snprintf(from, sizeof(from), "%s/p/a.lua", folder);
	snprintf(to, sizeof(to), "%s/p/b.lua", folder);
	write_text("p/a.lua", "two");
	assert_int_equal(rename(from, to), 0);
	b = good("p", NULL);
	assert_string_not_equal(b->policies[0].version, first);
	mw_bundle_unref(b);
}

static void what_is_not_there_is_said(void **state)
{
	(void)state;
	make_folder("empty");
	make_folder("other");
	write_text("other/helper.lua", "");
	make_folder("other/lib");
	write_text("other/lib/init.lua", ""); /* an entry is at the top */
	assert_refused("none.lua", NULL, "/none.lua: No such file or directory");
	assert_refused(
	    "empty", NULL, "/empty: the folder has neither a policy.lua nor an init.lua");
	assert_refused(
	    "other", NULL, "/other: the folder has neither a policy.lua nor an init.lua");
	assert_refused(
	    NULL, "gone", "no policy named 'gone' is built in, but shipped, other are; a file");
}

static void ceilings(void **state)
{
	(void)state;
	enum { MIB = 1 << 20 };
	char *text = malloc(MIB + 1);
	memset(text, ' ', MIB + 1);
	write_file("mine.lua", text, MIB);
	struct mw_bundle *b = good("mine.lua", NULL);
	assert_int_equal(b->policies[0].files[0].text.n, MIB);
	mw_bundle_unref(b);
	write_file("mine.lua", text, MIB + 1);
	assert_refused("mine.lua", NULL, "/mine.lua: it is larger than 1024 KiB");
	free(text);

	make_folder("p");
	write_text("p/policy.lua", "");
	for (int i = 1; i < 100; i++) {
		char name[32];
		snprintf(name, sizeof(name), "p/f%d.lua", i);
		write_text(name, "");
	}
	b = good("p", NULL);
	assert_int_equal(b->policies[0].n_files, 100);
	mw_bundle_unref(b);
	write_text("p/one-more.lua", "");
	assert_refused("p", NULL, "/p: there are more than 100 Lua files in it");
}

static void a_loop_of_links_ends(void **state)
{
	(void)state;
	char from[256], to[256];
	make_folder("p");
	write_text("p/policy.lua", "x");
	snprintf(from, sizeof(from), "%s/p", folder);
	snprintf(to, sizeof(to), "%s/p/again", folder);
	assert_int_equal(symlink(from, to), 0);
	struct mw_bundle *b = good("p", NULL);
	assert_file(b, 0, "policy.lua", "x");
	assert_true(b->policies[0].n_files < 100);
	mw_bundle_unref(b);
}

/* ---- watching -------------------------------------------------------------------------------- */

static void assert_changed(const struct mw_bundle *b, uint64_t *stamp, bool expected)
{
	uint64_t now = mw_bundle_stamp(b->settings);
	assert_int_equal(now != *stamp, expected);
	*stamp = now;
}

static void a_change_shows_in_the_stamp(void **state)
{
	(void)state;
	char path[256];
	make_folder("p");
	make_folder("p/lib");
	write_text("config.yaml", "a");
	write_text("p/policy.lua", "one");
	struct mw_bundle *b = good("p", NULL);
	uint64_t stamp = mw_bundle_stamp(b->settings);
	assert_changed(b, &stamp, false);
	write_text("p/policy.lua", "longer");
	assert_changed(b, &stamp, true);
	write_text("p/lib/new.lua", "");
	assert_changed(b, &stamp, true);
	write_text("p/notes.txt", "no Lua");
	assert_changed(b, &stamp, false);
	write_text("config.yaml", "ab");
	assert_changed(b, &stamp, true);
	/* as editors save: another file of the same size takes the name */
	write_text("p/.new", "LONGER");
	snprintf(path, sizeof(path), "%s/p/.new", folder);
	char to[256];
	snprintf(to, sizeof(to), "%s/p/policy.lua", folder);
	assert_int_equal(rename(path, to), 0);
	assert_changed(b, &stamp, true);
	snprintf(path, sizeof(path), "%s/p/lib/new.lua", folder);
	assert_int_equal(unlink(path), 0);
	assert_changed(b, &stamp, true);
	snprintf(path, sizeof(path), "%s/config.yaml", folder);
	assert_int_equal(unlink(path), 0);
	assert_changed(b, &stamp, true);
	assert_changed(b, &stamp, false);
	mw_bundle_unref(b);
}

static void a_single_file_is_watched(void **state)
{
	(void)state;
	write_text("mine.lua", "return 1");
	struct mw_bundle *b = good("mine.lua", NULL);
	uint64_t stamp = mw_bundle_stamp(b->settings);
	write_text("mine.lua", "return 12");
	assert_changed(b, &stamp, true);
	mw_bundle_unref(b);
}

static void a_bundle_lives_as_long_as_it_is_held(void **state)
{
	(void)state;
	struct mw_bundle *b = good(NULL, "shipped");
	assert_ptr_equal(mw_bundle_ref(b), b);
	mw_bundle_unref(b);
	assert_file(b, 0, "shipped.lua", "return 'shipped'");
	mw_bundle_unref(b);
	mw_bundle_unref(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_single_file),
	    TEST(a_folder_with_its_entry_first),
	    TEST(init_lua_is_an_entry_too),
	    TEST(a_shipped_policy),
	    TEST(the_version_follows_from_names_and_texts),
	    TEST(what_is_not_there_is_said),
	    TEST(ceilings),
	    TEST(a_loop_of_links_ends),
	    TEST(a_change_shows_in_the_stamp),
	    TEST(a_single_file_is_watched),
	    TEST(a_bundle_lives_as_long_as_it_is_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
