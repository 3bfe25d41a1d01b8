/* SPDX-License-Identifier: MIT
 *
 * Bundles: reading what the settings' policies name.
 */
#include "shared/bundle.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
	MAX_FILE = 1 << 20,
	MAX_FILES = 100, /* of one policy */
	MAX_DEPTH = 8,
};

/* ---- the files of a folder ------------------------------------------------------------------- */

struct listing {
	struct mw_arena *arena;
	struct mw_str root;             /* the folder */
	struct mw_str names[MAX_FILES]; /* below it; its entry first, the others sorted */
	size_t n;
	bool too_many;
};

static bool is_folder(const char *path)
{
	struct stat s;
	return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

static void list_folder(struct listing *l, struct mw_str below, int depth);

/* Hidden files are left out: editors keep their locks and half-written copies there. */
static void list_entry(struct listing *l, struct mw_str below, const char *name, int depth)
{
	if (name[0] == '.' || l->too_many)
		return;
	struct mw_str path = mw_arena_printf(l->arena, "%.*s%s", MW_FMT(below), name);
	struct mw_str full = mw_arena_printf(l->arena, "%.*s/%.*s", MW_FMT(l->root), MW_FMT(path));
	if (is_folder(full.p)) {
		if (depth < MAX_DEPTH)
			list_folder(l, mw_arena_printf(l->arena, "%.*s/", MW_FMT(path)), depth + 1);
	} else if (mw_str_ends(path, MW_STR(".lua"))) {
		l->too_many = l->n == MAX_FILES;
		if (!l->too_many)
			l->names[l->n++] = path;
	}
}

static void list_folder(struct listing *l, struct mw_str below, int depth)
{
	DIR *dir =
	    opendir(mw_arena_printf(l->arena, "%.*s/%.*s", MW_FMT(l->root), MW_FMT(below)).p);
	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));)
		list_entry(l, below, e->d_name, depth);
	closedir(dir);
}

static int rank(struct mw_str name)
{
	return mw_str_is(name, "policy.lua") ? 0 : mw_str_is(name, "init.lua") ? 1 : 2;
}

static int by_rank(const void *a, const void *b)
{
	const struct mw_str *x = a, *y = b;
	int ranks = rank(*x) - rank(*y);
	return ranks ? ranks : mw_str_cmp(*x, *y);
}

static struct listing *list_policy(struct mw_arena *a, struct mw_str folder)
{
	struct listing *l = mw_arena_zalloc(a, sizeof(*l));
	l->arena = a;
	l->root = folder;
	list_folder(l, MW_STR(""), 0);
	qsort(l->names, l->n, sizeof(l->names[0]), by_rank);
	return l;
}

/* ---- one policy ------------------------------------------------------------------------------ */

struct reading {
	struct mw_bundle *bundle;
	const struct mw_policy_ref *ref;
	struct mw_bundle_policy *policy;
	struct mw_err *err;
};

/* Puts the place in the settings before a fault. */
static bool refuse(const struct reading *r)
{
	return r->ref->line ? mw_err_prefix(r->err, "%s:%d", r->ref->file, r->ref->line) : false;
}

static struct mw_bundle_file *files_new(const struct reading *r, size_t n)
{
	struct mw_bundle_file *files = mw_arena_zalloc(r->bundle->arena, n * sizeof(*files));
	r->policy->files = files;
	r->policy->n_files = n;
	return files;
}

static bool read_shipped(const struct reading *r, struct mw_str (*shipped)(struct mw_str name))
{
	struct mw_arena *a = r->bundle->arena;
	struct mw_str text = shipped(r->ref->name);
	if (!text.p) {
		mw_err_set(r->err, MW_ERR_SETTINGS,
		    "no policy named '%.*s' is built in, but %.*s are; a file of your own is named "
		    "by `path:`",
		    MW_FMT(r->ref->name), MW_FMT(shipped(MW_STR(""))));
		return refuse(r);
	}
	struct mw_bundle_file *file = files_new(r, 1);
	file->name = mw_arena_printf(a, "%.*s.lua", MW_FMT(r->ref->name));
	file->path = mw_arena_printf(a, "policies/%.*s", MW_FMT(file->name));
	file->text = text;
	return true;
}

static struct mw_str last_part(struct mw_str path)
{
	size_t at = path.n;
	while (at > 0 && path.p[at - 1] != '/')
		at--;
	return mw_strn(path.p + at, path.n - at);
}

static bool read_one(
    const struct reading *r, struct mw_bundle_file *file, struct mw_str name, struct mw_str path)
{
	file->name = name;
	file->path = path;
	return mw_file_read(path.p, MAX_FILE, r->bundle->arena, &file->text, r->err) || refuse(r);
}

static bool read_folder(const struct reading *r)
{
	struct mw_arena *a = r->bundle->arena;
	struct listing *l = list_policy(a, r->ref->path);
	if (l->too_many) {
		mw_err_set(r->err, MW_ERR_SETTINGS, "%.*s: there are more than %d Lua files in it",
		    MW_FMT(r->ref->path), MAX_FILES);
		return refuse(r);
	}
	if (l->n == 0 || rank(l->names[0]) == 2) {
		mw_err_set(r->err, MW_ERR_SETTINGS,
		    "%.*s: the folder has neither a policy.lua nor an init.lua",
		    MW_FMT(r->ref->path));
		return refuse(r);
	}
	struct mw_bundle_file *files = files_new(r, l->n);
	for (size_t i = 0; i < l->n; i++) {
		struct mw_str path =
		    mw_arena_printf(a, "%.*s/%.*s", MW_FMT(l->root), MW_FMT(l->names[i]));
		if (!read_one(r, &files[i], l->names[i], path))
			return false;
	}
	return true;
}

/* Names and texts, each with its length, so that no two sets of files look alike. */
static void name_version(struct mw_bundle_policy *p)
{
	uint64_t version = 0;
	for (size_t i = 0; i < p->n_files; i++) {
		const uint64_t parts[] = {version, p->files[i].name.n,
		    mw_hash_stable(p->files[i].name), p->files[i].text.n,
		    mw_hash_stable(p->files[i].text)};
		version = mw_hash_stable(mw_strn((const char *)parts, sizeof(parts)));
	}
	snprintf(p->version, sizeof(p->version), "%016llx", (unsigned long long)version);
}

static bool read_policy(const struct reading *r, struct mw_str (*shipped)(struct mw_str name))
{
	struct mw_str path = r->ref->path;
	bool good = path.n == 0         ? read_shipped(r, shipped)
	            : is_folder(path.p) ? read_folder(r)
	                                : read_one(r, files_new(r, 1), last_part(path), path);
	if (good)
		name_version(r->policy);
	return good;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* All are told together, one a line. */
static void add_fault(struct mw_err *err, const struct mw_err *one, bool first)
{
	char both[sizeof(one->text) * 2];
	if (!err)
		return;
	snprintf(
	    both, sizeof(both), "%s%s%s", first ? "" : err->text, first ? "" : "\n", one->text);
	mw_err_set(err, MW_ERR_SETTINGS, "%s", both);
}

struct mw_bundle *mw_bundle_read(
    struct mw_settings *settings, struct mw_str (*shipped)(struct mw_str name), struct mw_err *err)
{
	struct mw_arena *a = mw_arena_new();
	struct mw_bundle *b = mw_arena_zalloc(a, sizeof(*b));
	b->arena = a;
	b->settings = mw_settings_ref(settings);
	b->refs = 1;
	b->n_policies = settings->n_policies;
	b->policies = mw_arena_zalloc(a, b->n_policies * sizeof(*b->policies));
	bool good = true;
	for (size_t i = 0; i < b->n_policies; i++) {
		struct mw_err one = {0};
		struct reading r = {b, &settings->policies[i], &b->policies[i], &one};
		b->policies[i].ref = r.ref;
		if (read_policy(&r, shipped))
			continue;
		add_fault(err, &one, good);
		good = false;
	}
	if (good)
		return b;
	mw_bundle_unref(b);
	return NULL;
}

struct mw_bundle *mw_bundle_ref(struct mw_bundle *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void mw_bundle_unref(struct mw_bundle *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) > 1)
		return;
	mw_settings_unref(b->settings);
	mw_arena_free(b->arena);
}

/* ---- watching -------------------------------------------------------------------------------- */

static void add_stamp(uint64_t *stamp, struct mw_str path)
{
	const uint64_t parts[] = {*stamp, mw_hash_stable(path), mw_file_stamp(path.p)};
	*stamp = mw_hash_stable(mw_strn((const char *)parts, sizeof(parts)));
}

static void add_folder(uint64_t *stamp, struct mw_arena *a, struct mw_str folder)
{
	struct listing *l = list_policy(a, folder);
	for (size_t i = 0; i < l->n; i++)
		add_stamp(
		    stamp, mw_arena_printf(a, "%.*s/%.*s", MW_FMT(folder), MW_FMT(l->names[i])));
}

uint64_t mw_bundle_stamp(const struct mw_settings *s)
{
	uint64_t stamp = 0;
	struct mw_arena *scratch = mw_arena_new();
	for (size_t i = 0; i < s->n_files; i++)
		add_stamp(&stamp, mw_str(s->files[i]));
	for (size_t i = 0; i < s->n_policies; i++) {
		struct mw_str path = s->policies[i].path;
		if (path.n && is_folder(path.p))
			add_folder(&stamp, scratch, path);
		else if (path.n)
			add_stamp(&stamp, path);
	}
	mw_arena_free(scratch);
	return stamp;
}
