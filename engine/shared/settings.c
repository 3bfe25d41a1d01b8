/* SPDX-License-Identifier: MIT
 *
 * Settings: the life of a snapshot, and the order in which a settings file is read.
 */
#include "shared/settings.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "shared/settings_parts.h"

#include <stdatomic.h>

enum { MAX_FILE = 16 << 20 };

/* ---- a snapshot ------------------------------------------------------------------------------ */

static void free_map(void *map)
{
	mw_map_free(map);
}

static struct mw_map *map_new(struct mw_arena *a)
{
	struct mw_map *map = mw_map_new();
	mw_arena_on_reset(a, free_map, map);
	return map;
}

static struct mw_settings *settings_new(const char *file)
{
	struct mw_arena *a = mw_arena_new();
	struct mw_settings *s = mw_arena_zalloc(a, sizeof(*s));
	s->arena = a;
	s->refs = 1;
	s->file = mw_arena_dupz(a, mw_str(file));
	s->by_name = map_new(a);
	s->by_id = map_new(a);
	return s;
}

struct mw_settings *mw_settings_ref(struct mw_settings *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void mw_settings_unref(struct mw_settings *s)
{
	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		mw_arena_free(s->arena);
}

/* ---- files ----------------------------------------------------------------------------------- */

struct mw_str mw_settings_path(struct mw_reading *r, struct mw_str path)
{
	struct mw_str folder = mw_str(r->file);
	while (folder.n && folder.p[folder.n - 1] != '/')
		folder.n--;
	if (path.n && path.p[0] == '/')
		folder.n = 0;
	return mw_arena_printf(r->arena, "%.*s%.*s", MW_FMT(folder), MW_FMT(path));
}

void mw_settings_add_file(struct mw_reading *r, const char *path)
{
	struct mw_settings *s = r->s;
	const char **files = mw_arena_alloc(s->arena, (s->n_files + 1) * sizeof(*files));
	for (size_t i = 0; i < s->n_files; i++)
		files[i] = s->files[i];
	files[s->n_files++] = mw_arena_dupz(s->arena, mw_str(path));
	s->files = files;
}

static void read_document(struct mw_reading *r, struct mw_str text, const char *file);

static bool is_read(const struct mw_reading *r, const char *path)
{
	for (size_t i = 0; i < r->s->n_files; i++)
		if (strcmp(r->s->files[i], path) == 0)
			return true;
	return false;
}

static void include(struct mw_reading *r, const struct mw_yaml *name)
{
	struct mw_err err = {0};
	if (name->kind != MW_YAML_STRING) {
		mw_settings_fault(r, name->line, "an entry of include is %s, which is not a file",
		    mw_yaml_kind_name(name->kind));
		return;
	}
	struct mw_str path = mw_settings_path(r, name->text), text;
	if (is_read(r, path.p))
		return;
	mw_settings_add_file(r, path.p);
	if (r->n_documents == MW_SETTINGS_DOCUMENTS)
		mw_settings_fault(
		    r, name->line, "include: more than %d files", MW_SETTINGS_DOCUMENTS);
	else if (!mw_file_read(path.p, MAX_FILE, r->arena, &text, &err))
		mw_settings_fault(r, name->line, "include: %s", err.text);
	else
		read_document(r, text, path.p);
}

/* The text becomes a document, and so do the files that it includes. */
static void read_document(struct mw_reading *r, struct mw_str text, const char *file)
{
	struct mw_err err = {0};
	const struct mw_yaml *root = mw_yaml_parse(text, file, r->arena, &err);
	r->file = file;
	if (!root) {
		mw_settings_add_fault(r, mw_str(err.text));
		return;
	}
	if (root->kind != MW_YAML_MAP && root->kind != MW_YAML_NULL) {
		mw_settings_fault(r, root->line,
		    "the file is %s, which is not a map with model_list and the like",
		    mw_yaml_kind_name(root->kind));
		return;
	}
	r->documents[r->n_documents++] = (struct mw_document){file, root};
	const struct mw_yaml *files = mw_settings_given(root, "include");
	for (size_t i = 0; files && files->kind == MW_YAML_LIST && i < files->n; i++) {
		r->file = file;
		mw_settings_resolve(r, MW_STR("include"), files->items[i]);
		include(r, files->items[i]);
	}
}

/* ---- the order of reading -------------------------------------------------------------------- */

static void read_blocks(struct mw_reading *r)
{
	mw_settings_read_environment(r);
	mw_settings_read_router(r);
	mw_settings_read_prices(r);
	mw_settings_read_models(r);
	mw_settings_read_groups(r);
	mw_settings_read_policies(r);
}

/* All of them: what does not fit into err goes to the log, and err says how many. */
static void tell_faults(const struct mw_reading *r, struct mw_err *err)
{
	struct mw_str rest = mw_buf_str(&r->faults), line;
	if (err && rest.n < sizeof(err->text)) {
		mw_err_set(err, MW_ERR_SETTINGS, "%.*s", MW_FMT(rest));
		return;
	}
	while (rest.n) {
		mw_str_cut(&rest, '\n', &line);
		mw_log(MW_LOG_ERROR, "settings", "%.*s", MW_FMT(line));
	}
	mw_err_set(err, MW_ERR_SETTINGS, "%s: %zu faults, all told above", r->s->file, r->n_faults);
}

static void reading_init(
    struct mw_reading *r, const char *file, const struct mw_settings_world *world)
{
	*r = (struct mw_reading){.s = settings_new(file), .world = world};
	r->arena = r->s->arena;
	r->file = r->s->file;
	r->variables = mw_map_new();
	r->said = mw_map_new();
	r->named = mw_map_new();
	mw_buf_init(&r->faults, 1u << 20);
	mw_buf_init(&r->later, 2000);
	mw_buf_init(&r->guards, 2000);
}

/* Gives the snapshot, or NULL and what was wrong. */
static struct mw_settings *reading_end(struct mw_reading *r, struct mw_err *err)
{
	struct mw_settings *s = r->s;
	if (!r->n_faults) {
		mw_settings_register(r);
		mw_settings_tell_later(r);
	} else {
		tell_faults(r, err);
		mw_settings_unref(s);
		s = NULL;
	}
	mw_map_free(r->variables);
	mw_map_free(r->said);
	mw_map_free(r->named);
	mw_buf_deinit(&r->faults);
	mw_buf_deinit(&r->later);
	mw_buf_deinit(&r->guards);
	return s;
}

static struct mw_settings *parse(struct mw_str yaml, const char *name, bool from_disk,
    const struct mw_settings_world *world, struct mw_err *err)
{
	struct mw_reading r;
	reading_init(&r, name, world);
	if (from_disk)
		mw_settings_add_file(&r, name);
	read_document(&r, yaml, r.s->file);
	if (!r.n_faults)
		read_blocks(&r);
	return reading_end(&r, err);
}

struct mw_settings *mw_settings_parse(
    struct mw_str yaml, const char *name, const struct mw_settings_world *world, struct mw_err *err)
{
	return parse(yaml, name, false, world, err);
}

struct mw_settings *mw_settings_read(
    const char *path, const struct mw_settings_world *world, struct mw_err *err)
{
	struct mw_arena *scratch = mw_arena_new();
	struct mw_str text;
	struct mw_settings *s = mw_file_read(path, MAX_FILE, scratch, &text, err)
	                            ? parse(text, path, true, world, err)
	                            : NULL;
	mw_arena_free(scratch);
	return s;
}

/* A JSON text is a YAML text too, and in JSON any name can be written safely. */
struct mw_settings *mw_settings_one_model(
    struct mw_str model, const struct mw_settings_world *world, struct mw_err *err)
{
	struct mw_buf b;
	mw_buf_init(&b, 1u << 20);
	mw_buf_addz(&b, "{\"model_list\": [{\"model_name\": ");
	mw_json_quote(&b, model);
	mw_buf_addz(&b, ", \"litellm_params\": {\"model\": ");
	mw_json_quote(&b, model);
	mw_buf_addz(&b, "}}]}");
	struct mw_settings *s = parse(mw_buf_str(&b), "", false, world, err);
	mw_buf_deinit(&b);
	return s;
}
