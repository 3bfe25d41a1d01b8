/* SPDX-License-Identifier: MIT
 *
 * DECODE: one pass over the body says that it is JSON and where the members are that the gateway
 * looks at; their types are checked here, and the model's name is looked up.
 */
#include "gate/decode.h"
#include "gate/reply.h"
#include "gate/steps.h"

static const char *kind_name(enum mw_json_kind kind)
{
	static const char *const names[] = {
	    "missing", "null", "a boolean", "a number", "a string", "an array", "an object"};
	return names[kind];
}

/* What each member may be; NONE: anything. */
static const enum mw_json_kind kinds[MW_MEMBERS] = {
#define MW_MEMBER(id, name, kind, whose) MW_JSON_##kind,
#include "call/members.def"
#undef MW_MEMBER
};

/* Is the first item of the array an object? A look at its first byte: to cut the item out would mean to
 * read all of it. */
static bool begins_with_object(struct mw_str array)
{
	struct mw_str items = mw_str_trim_all(mw_strn(array.p + 1, array.n - 1));
	return items.n && items.p[0] == '{';
}

/* Notes which member is at fault. */
static bool blame(enum mw_member member, struct mw_err *err)
{
	strncpy(err->param, mw_call_members[member].p, sizeof(err->param) - 1);
	return false;
}

/* The member that holds what the call is about. */
static bool check_content(const struct mw_call *call, struct mw_err *err)
{
	enum mw_member what = call->kind == MW_KIND_CHAT ? MW_M_MESSAGES : MW_M_INPUT;
	const struct mw_json *v = &call->members[what];
	const char *name = mw_call_members[what].p;
	bool good = true;
	if (v->kind == MW_JSON_NONE || v->kind == MW_JSON_NULL)
		good = mw_err_set(err, MW_ERR_BAD_REQUEST, "'%s' is missing", name);
	else if (what == MW_M_INPUT)
		good = v->kind == MW_JSON_STRING || v->kind == MW_JSON_ARRAY ||
		       mw_err_set(err, MW_ERR_BAD_REQUEST,
			   "'input' must be a string or an array, not %s", kind_name(v->kind));
	else if (v->kind != MW_JSON_ARRAY)
		good = mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "'messages' must be an array of messages, not %s", kind_name(v->kind));
	else if (!begins_with_object(v->raw))
		good = mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "'messages' must hold at least one message, an object");
	return good || blame(what, err);
}

static bool check_types(const struct mw_call *call, struct mw_err *err)
{
	for (size_t i = 0; i < MW_MEMBERS; i++) {
		enum mw_json_kind kind = call->members[i].kind;
		if (kind == MW_JSON_NONE || kind == MW_JSON_NULL || kind == kinds[i] ||
		    kinds[i] == MW_JSON_NONE)
			continue;
		mw_err_set(err, MW_ERR_BAD_REQUEST, "'%s' must be %s, not %s", mw_call_members[i].p,
		    kind_name(kinds[i]), kind_name(kind));
		return blame((enum mw_member)i, err);
	}
	return check_content(call, err);
}

static bool find_members(struct mw_call *call, struct mw_err *err)
{
	struct mw_json root;
	if (call->body.n == 0)
		return mw_err_set(err, MW_ERR_BAD_JSON,
		    "the body is empty; send a JSON object with 'model' and '%s'",
		    call->kind == MW_KIND_CHAT ? "messages" : "input");
	if (!mw_call_find_members(call, &root, err))
		return false;
	if (root.kind != MW_JSON_OBJECT)
		return mw_err_set(err, MW_ERR_BAD_JSON, "the body must be a JSON object, not %s",
		    kind_name(root.kind));
	return true;
}

static uint64_t seconds(struct mw_json v)
{
	double s;
	return mw_json_double(v, &s) && s > 0 && s < 1e6 ? (uint64_t)(s * 1e6) : 0;
}

static void read_wishes(struct mw_walk *walk)
{
	struct mw_call *call = &walk->call;
	int64_t n;
	call->stream = call->kind == MW_KIND_CHAT && mw_json_true(call->members[MW_M_STREAM]);
	call->include_usage =
	    mw_json_true(mw_json_get(call->members[MW_M_STREAM_OPTIONS], MW_STR("include_usage")));
	walk->wish.num_retries =
	    mw_json_i64(call->members[MW_M_NUM_RETRIES], &n) && n >= 0 && n <= 100 ? (int)n : -1;
	walk->wish.drop_params = mw_json_true(call->members[MW_M_DROP_PARAMS]);
	walk->wish.no_fallbacks = mw_json_true(call->members[MW_M_DISABLE_FALLBACKS]);
	walk->wish.timeout_us = seconds(call->members[MW_M_TIMEOUT]);
	walk->wish.stream_timeout_us = seconds(call->members[MW_M_STREAM_TIMEOUT]);
}

/* As much of an unknown name as is given back: whole characters. */
static struct mw_str shown(struct mw_str name)
{
	enum { SHOWN = 100 };
	size_t n = MW_MIN(name.n, (size_t)SHOWN);
	while (n && n < name.n && ((unsigned char)name.p[n] & 0xc0) == 0x80)
		n--;
	return mw_strn(name.p, n);
}

bool mw_decode_no_model(const struct mw_settings *s, struct mw_str name, struct mw_err *err)
{
	struct mw_str nearest[3], part = shown(name);
	size_t n = mw_settings_nearest(s, name, nearest, MW_LEN(nearest));
	struct mw_buf hint;
	mw_buf_init(&hint, MW_MAX_HEAD);
	for (size_t i = 0; i < n; i++)
		mw_buf_addf(
		    &hint, "%s'%.*s'", i ? ", " : "; the nearest known: ", MW_FMT(nearest[i]));
	mw_err_set(err, MW_ERR_NO_MODEL, "there is no model '%.*s%s'%.*s; GET /v1/models lists all",
	    MW_FMT(part), part.n < name.n ? "…" : "", MW_FMT(mw_buf_str(&hint)));
	mw_buf_deinit(&hint);
	return blame(MW_M_MODEL, err);
}

/* Looks up the model, unless the body names the same one as before: a fallback stays one. */
static bool find_model(struct mw_walk *walk, struct mw_err *err)
{
	struct mw_call *call = &walk->call;
	struct mw_str name = mw_json_text(call->members[MW_M_MODEL], call->arena);
	if (name.n == 0) {
		mw_err_set(
		    err, MW_ERR_BAD_REQUEST, "'model' is missing; GET /v1/models lists the names");
		return blame(MW_M_MODEL, err);
	}
	if (mw_str_eq(name, walk->route.named))
		return true;
	walk->route.named = call->wanted = mw_arena_dup(call->arena, name);
	if (!call->asked.p)
		call->asked = call->wanted;
	call->model = mw_settings_find(call->settings, name, &walk->route.only);
	return call->model || mw_decode_no_model(call->settings, name, err);
}

bool mw_decode_call(struct mw_walk *walk, struct mw_err *err)
{
	if (!find_members(&walk->call, err) || !check_types(&walk->call, err) ||
	    !find_model(walk, err))
		return false;
	read_wishes(walk);
	walk->body = MW_NOSTR;
	return true;
}

enum mw_next mw_step_decode(struct mw_walk *walk)
{
	struct mw_err err = {0};
	if (mw_decode_call(walk, &err))
		return MW_STEP_GO;
	mw_reply_set_fault(walk, &err);
	mw_reply_fault(walk);
	return MW_STEP_END;
}
