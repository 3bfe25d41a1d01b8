/* SPDX-License-Identifier: MIT
 *
 * The same-dialect fast path: one look over the bytes decides whether they may go through, and a
 * few slices of them are replaced. The shapes that are accepted are those of OpenAI's schema, to
 * the letter: a lenient check here would hand a sloppy server's sloppiness to every strict client.
 */
#include "gate/pass.h"

#include "base/buf.h"

/* ---- requests ------------------------------------------------------------------------------ */

/* `name` is raw, with its quotes. */
static bool is_name(struct mw_str name, const char *z)
{
	return mw_str_is(mw_strn(name.p + 1, name.n - 2), z);
}

static bool is_foreign(struct mw_str name)
{
	struct mw_str inside = mw_strn(name.p + 1, name.n - 2);
	for (size_t i = 0; i < MW_FOREIGNS; i++)
		if (mw_str_eq(inside, mw_call_foreign[i]))
			return true;
	return false;
}

/* Has any of a list's objects (parts, tool calls) a member that OpenAI does not know? */
static bool foreign_items(struct mw_json list)
{
	struct mw_str name;
	struct mw_json item, v;
	if (list.kind != MW_JSON_ARRAY)
		return false;
	for (size_t at = 0; mw_json_next(list, &at, &name, &item);)
		for (size_t in = 0;
		     item.kind == MW_JSON_OBJECT && mw_json_next(item, &in, &name, &v);)
			if (is_foreign(name))
				return true;
	return false;
}

static bool foreign_message(struct mw_json message)
{
	struct mw_str name;
	struct mw_json v;
	for (size_t at = 0;
	     message.kind == MW_JSON_OBJECT && mw_json_next(message, &at, &name, &v);)
		if (is_foreign(name) || (v.kind == MW_JSON_ARRAY && foreign_items(v)))
			return true;
	return false;
}

bool mw_pass_fits(const struct mw_call *call)
{
	struct mw_str name;
	struct mw_json message;
	struct mw_json messages = call->members[MW_M_MESSAGES];
	if (call->kind != MW_KIND_CHAT || !call->foreign)
		return true;
	for (size_t at = 0; mw_json_next(messages, &at, &name, &message);)
		if (foreign_message(message))
			return false;
	return !foreign_items(call->members[MW_M_TOOLS]);
}

/* Replaces `old`, a slice of text, by `by`. */
static struct mw_str splice(
    struct mw_arena *a, struct mw_str text, struct mw_str old, struct mw_str by)
{
	size_t before = (size_t)(old.p - text.p), after = text.n - before - old.n;
	char *p = mw_arena_try(a, before + by.n + after + 1);
	if (!p)
		return MW_NOSTR;
	memcpy(p, text.p, before);
	memcpy(p + before, by.p, by.n);
	memcpy(p + before + by.n, old.p + old.n, after);
	p[before + by.n + after] = '\0';
	return mw_strn(p, before + by.n + after);
}

/* The text around `old`, a slice of it, with `by` in its place. */
static void cut(struct mw_str text, struct mw_str old, struct mw_str by, struct mw_str out[3])
{
	size_t before = (size_t)(old.p - text.p);
	out[0] = mw_strn(text.p, before);
	out[1] = by;
	out[2] = mw_strn(old.p + old.n, text.n - before - old.n);
}

bool mw_pass_request(const struct mw_call *call, struct mw_str body, struct mw_str model,
    bool ask_usage, struct mw_str out[MW_EXCHANGE_PARTS], struct mw_err *err)
{
	struct mw_str name = mw_json_quoted(model, call->arena);
	bool ask = ask_usage && call->stream && !call->include_usage;
	if (!ask && body.p == call->body.p) {
		cut(body, call->members[MW_M_MODEL].raw, name, out);
		return true;
	}
	struct mw_json_edit edits[2] = {{MW_STR("model"), name}};
	if (call->members[MW_M_STREAM_OPTIONS].kind == MW_JSON_OBJECT)
		edits[1] =
		    (struct mw_json_edit){MW_STR("stream_options.include_usage"), MW_STR("true")};
	else
		edits[1] = (struct mw_json_edit){
		    MW_STR("stream_options"), MW_STR("{\"include_usage\":true}")};
	out[1] = out[2] = MW_NOSTR;
	return mw_json_edit(body, edits, ask ? 2 : 1, call->arena, &out[0], err);
}

/* ---- shapes -------------------------------------------------------------------------------- */

static struct mw_str unquoted(struct mw_json v)
{
	return v.kind == MW_JSON_STRING ? mw_strn(v.raw.p + 1, v.raw.n - 2) : MW_NOSTR;
}

static bool is_finish(struct mw_json v)
{
	return mw_json_is(v, "stop") || mw_json_is(v, "length") || mw_json_is(v, "tool_calls") ||
	       mw_json_is(v, "content_filter") || mw_json_is(v, "function_call");
}

static bool integral(struct mw_json v)
{
	int64_t i;
	return mw_json_i64(v, &i);
}

static bool filled(struct mw_json v)
{
	return v.kind == MW_JSON_STRING && v.raw.n > 2;
}

static bool text_or_null(struct mw_json v)
{
	return v.kind == MW_JSON_STRING || v.kind == MW_JSON_NULL;
}

static int64_t count_of(struct mw_json v)
{
	int64_t n;
	return mw_json_i64(v, &n) && n > 0 ? n : 0;
}

/* -1 for what is no count. */
static int64_t told(struct mw_json v)
{
	int64_t n;
	return mw_json_i64(v, &n) && n >= 0 && n < INT64_C(1) << 53 ? n : -1;
}

/* What other servers call the cached part of a prompt. */
static bool is_cached_elsewhere(struct mw_str name)
{
	return is_name(name, "prompt_cache_hit_tokens") || is_name(name, "num_cached_tokens") ||
	       is_name(name, "cache_read_input_tokens");
}

static void read_prompt(struct mw_json details, struct mw_usage *u)
{
	u->cached = count_of(mw_json_get(details, MW_STR("cached_tokens")));
	u->cache_write = count_of(mw_json_get(details, MW_STR("cache_write_tokens")));
	u->audio_in = count_of(mw_json_get(details, MW_STR("audio_tokens")));
}

static void read_completion(struct mw_json details, struct mw_usage *u)
{
	u->reasoning = count_of(mw_json_get(details, MW_STR("reasoning_tokens")));
	u->audio_out = count_of(mw_json_get(details, MW_STR("audio_tokens")));
}

/* False, and nothing is read, where the counts are not as OpenAI has them: one is missing, or prompt
 * and completion do not make up the total, so that one of them leaves out what is to be paid. */
static bool read_usage(struct mw_json usage, enum mw_kind kind, struct mw_usage *out)
{
	struct mw_usage u = {.reported = true, .prompt = -1};
	int64_t total = -1, elsewhere = 0;
	struct mw_str name;
	struct mw_json v;
	u.completion = kind == MW_KIND_CHAT ? -1 : 0;
	for (size_t at = 0; mw_json_next(usage, &at, &name, &v);) {
		if (is_name(name, "prompt_tokens"))
			u.prompt = told(v);
		else if (is_name(name, "completion_tokens"))
			u.completion = told(v);
		else if (is_name(name, "total_tokens"))
			total = told(v);
		else if (is_name(name, "prompt_tokens_details"))
			read_prompt(v, &u);
		else if (is_name(name, "completion_tokens_details"))
			read_completion(v, &u);
		else if (is_cached_elsewhere(name))
			elsewhere += count_of(v);
	}
	bool fits = u.prompt >= 0 && u.completion >= 0 && total == u.prompt + u.completion &&
	            (u.cached || !elsewhere);
	if (fits)
		*out = u;
	return fits;
}

/* Absent, null, or as OpenAI has it. */
static bool usage_fits(struct mw_json usage, enum mw_kind kind, struct mw_usage *out)
{
	if (usage.kind == MW_JSON_OBJECT)
		return read_usage(usage, kind, out);
	return usage.kind == MW_JSON_NONE || usage.kind == MW_JSON_NULL;
}

/* ---- whole replies ------------------------------------------------------------------------- */

static bool call_fits(struct mw_json call)
{
	bool id = false, type = false, body = false;
	struct mw_str name;
	struct mw_json v;
	for (size_t at = 0; mw_json_next(call, &at, &name, &v);) {
		if (is_name(name, "id"))
			id = filled(v);
		else if (is_name(name, "type"))
			type = filled(v);
		else if (is_name(name, "function"))
			body = filled(mw_json_get(v, MW_STR("arguments")));
		else if (is_name(name, "custom"))
			body = v.kind == MW_JSON_OBJECT;
	}
	return id && type && body;
}

static bool calls_fit(struct mw_json calls)
{
	struct mw_str name;
	struct mw_json call;
	bool any = false;
	if (calls.kind != MW_JSON_ARRAY)
		return false;
	for (size_t at = 0; mw_json_next(calls, &at, &name, &call); any = true)
		if (!call_fits(call))
			return false;
	return any;
}

static bool message_fits(struct mw_json message)
{
	if (message.kind != MW_JSON_OBJECT)
		return false;
	bool role = false, content = false, refusal = false, calls = true, reasoning = true;
	struct mw_str name;
	struct mw_json v;
	for (size_t at = 0; mw_json_next(message, &at, &name, &v);) {
		if (is_name(name, "role"))
			role = mw_json_is(v, "assistant");
		else if (is_name(name, "content"))
			content = text_or_null(v);
		else if (is_name(name, "refusal"))
			refusal = text_or_null(v);
		else if (is_name(name, "tool_calls"))
			calls = calls_fit(v);
		else if (is_name(name, "reasoning"))
			reasoning = false; /* clients look for reasoning_content */
	}
	return role && content && refusal && calls && reasoning;
}

static bool choices_fit(struct mw_json choices, struct mw_str *finish)
{
	if (choices.kind != MW_JSON_ARRAY)
		return false;
	bool any = false;
	struct mw_str name;
	struct mw_json choice, v;
	for (size_t at = 0; mw_json_next(choices, &at, &name, &choice); any = true) {
		bool index = false, message = false, logprobs = false, reason = false;
		for (size_t in = 0; mw_json_next(choice, &in, &name, &v);) {
			if (is_name(name, "index"))
				index = integral(v);
			else if (is_name(name, "message"))
				message = message_fits(v);
			else if (is_name(name, "logprobs"))
				logprobs = true;
			else if (is_name(name, "finish_reason")) {
				reason = is_finish(v);
				*finish = finish->p ? *finish : unquoted(v);
			}
		}
		if (!index || !message || !logprobs || !reason)
			return false;
	}
	return any;
}

enum top { ID, OBJECT, CREATED, MODEL, CHOICES, USAGE, ERROR, DATA, SERVICE_TIER, TOPS };
static const struct mw_str top_names[TOPS] = {
    [ID] = {"id", 2},
    [OBJECT] = {"object", 6},
    [CREATED] = {"created", 7},
    [MODEL] = {"model", 5},
    [CHOICES] = {"choices", 7},
    [USAGE] = {"usage", 5},
    [ERROR] = {"error", 5},
    [DATA] = {"data", 4},
    [SERVICE_TIER] = {"service_tier", 12},
};

static bool find_top(struct mw_str text, struct mw_json *top, struct mw_json *root)
{
	struct mw_json_look look = {.names = top_names, .found = top, .n = TOPS};
	return mw_json_peek(text, &look, root, NULL);
}

/* OpenAI's own; typed clients take no other. */
static bool tier_fits(struct mw_json v)
{
	return v.kind == MW_JSON_NONE || v.kind == MW_JSON_NULL || mw_json_is(v, "auto") ||
	       mw_json_is(v, "default") || mw_json_is(v, "flex") || mw_json_is(v, "scale") ||
	       mw_json_is(v, "priority") || mw_json_is(v, "fast");
}

static bool head_fits(const struct mw_json *top, const char *object)
{
	return filled(top[ID]) && mw_json_is(top[OBJECT], object) && integral(top[CREATED]) &&
	       top[MODEL].kind == MW_JSON_STRING && top[ERROR].kind == MW_JSON_NONE &&
	       tier_fits(top[SERVICE_TIER]);
}

/* A vector in the coding that was asked for. Servers write null for what is no number, and then for all of
 * them: a look at the first one will do. */
static bool vector_fits(struct mw_json v, bool base64)
{
	struct mw_str name;
	struct mw_json first;
	size_t at = 0;
	if (base64)
		return filled(v);
	return v.kind == MW_JSON_ARRAY && mw_json_next(v, &at, &name, &first) &&
	       first.kind == MW_JSON_NUMBER;
}

static bool data_fits(struct mw_json data, bool base64)
{
	if (data.kind != MW_JSON_ARRAY)
		return false;
	bool any = false;
	struct mw_str name;
	struct mw_json row;
	for (size_t at = 0; mw_json_next(data, &at, &name, &row); any = true)
		if (!vector_fits(mw_json_get(row, MW_STR("embedding")), base64))
			return false;
	return any;
}

static bool reply_fits(const struct mw_json *top, const struct mw_call *call, struct mw_str *finish)
{
	if (call->kind == MW_KIND_CHAT)
		return head_fits(top, "chat.completion") && choices_fit(top[CHOICES], finish);
	return mw_json_is(top[OBJECT], "list") &&
	       data_fits(top[DATA], mw_json_is(call->members[MW_M_ENCODING_FORMAT], "base64")) &&
	       top[MODEL].kind == MW_JSON_STRING && top[USAGE].kind == MW_JSON_OBJECT &&
	       top[ERROR].kind == MW_JSON_NONE;
}

enum mw_pass mw_pass_reply(
    struct mw_call *call, struct mw_str text, struct mw_str client_model_json, struct mw_str *out)
{
	struct mw_str finish = MW_NOSTR;
	struct mw_json top[TOPS], root;
	if (!find_top(text, top, &root))
		return MW_PASS_BROKEN;
	if (root.kind != MW_JSON_OBJECT || !reply_fits(top, call, &finish) ||
	    !usage_fits(top[USAGE], call->kind, &call->usage))
		return MW_PASS_DEVIATES;
	*out = splice(call->arena, root.raw, top[MODEL].raw, client_model_json);
	call->finish = mw_arena_dup(call->arena, finish);
	return out->p ? MW_PASS_OK : MW_PASS_BROKEN;
}

/* ---- chunks -------------------------------------------------------------------------------- */

struct piece {
	int64_t index;
	struct mw_str id;
	bool body, said; /* there is a function, and it has arguments */
};

static bool read_piece(struct mw_json piece, struct piece *p)
{
	*p = (struct piece){.index = -1};
	struct mw_str name;
	struct mw_json v;
	for (size_t at = 0; mw_json_next(piece, &at, &name, &v);) {
		if (is_name(name, "id")) {
			if (!filled(v))
				return false;
			p->id = unquoted(v);
		} else if (is_name(name, "index")) {
			p->index = told(v);
		} else if (is_name(name, "function")) {
			struct mw_json arguments = mw_json_get(v, MW_STR("arguments"));
			p->body =
			    arguments.kind == MW_JSON_STRING || arguments.kind == MW_JSON_NONE;
			p->said = filled(arguments);
		} else if (is_name(name, "custom")) {
			p->body = p->said = v.kind == MW_JSON_OBJECT;
		}
	}
	return p->body && p->index >= 0;
}

/* A call begins with its id, in the next place, when the one before has its arguments; what has no id
 * goes on with one that has begun. */
static bool piece_fits(
    struct mw_json piece, const struct mw_stream_sent *sent, struct mw_pass_chunk *chunk)
{
	struct piece p;
	if (!read_piece(piece, &p))
		return false;
	int64_t begun = sent->calls + chunk->calls;
	if (!p.id.p) {
		chunk->bare &= !p.said || p.index != begun - 1;
		return p.index < begun;
	}
	if (p.index != begun || chunk->bare)
		return false;
	chunk->calls++;
	chunk->call_id = p.id;
	chunk->bare = !p.said;
	return true;
}

static bool pieces_fit(
    struct mw_json pieces, const struct mw_stream_sent *sent, struct mw_pass_chunk *chunk)
{
	struct mw_str name;
	struct mw_json piece;
	if (pieces.kind != MW_JSON_ARRAY)
		return false;
	for (size_t at = 0; mw_json_next(pieces, &at, &name, &piece);) {
		if (!piece_fits(piece, sent, chunk))
			return false;
		chunk->called = chunk->content = true;
	}
	return true;
}

static bool delta_fits(
    struct mw_json delta, const struct mw_stream_sent *sent, struct mw_pass_chunk *chunk)
{
	if (delta.kind != MW_JSON_OBJECT)
		return false;
	struct mw_str name;
	struct mw_json v;
	for (size_t at = 0; mw_json_next(delta, &at, &name, &v);) {
		if (is_name(name, "content") || is_name(name, "refusal") ||
		    is_name(name, "reasoning_content")) {
			if (!text_or_null(v))
				return false;
			chunk->content |= filled(v);
		} else if (is_name(name, "role")) {
			if (!mw_json_is(v, "assistant") && v.kind != MW_JSON_NULL)
				return false;
			chunk->role = v.kind == MW_JSON_STRING;
		} else if (is_name(name, "tool_calls")) {
			if (!pieces_fit(v, sent, chunk))
				return false;
		} else if (is_name(name, "reasoning")) {
			return false;
		} else if (is_name(name, "audio") || is_name(name, "function_call")) {
			chunk->content |= v.kind == MW_JSON_OBJECT;
		}
	}
	return chunk->role == !sent->begun;
}

/* Of a first choice only: of several, each with a beginning and an end of its own, lua/ keeps account. The
 * role comes once, first: clients join what is told twice. A finish must not come while the arguments of a
 * call are missing, nor together with a piece of one. */
static bool chunk_choice_fits(
    struct mw_json choice, const struct mw_stream_sent *sent, struct mw_pass_chunk *chunk)
{
	bool index = false, delta = false, reason = false;
	struct mw_str name;
	struct mw_json v;
	for (size_t at = 0; mw_json_next(choice, &at, &name, &v);) {
		if (is_name(name, "index")) {
			index = told(v) == 0;
		} else if (is_name(name, "delta")) {
			delta = delta_fits(v, sent, chunk);
		} else if (is_name(name, "finish_reason")) {
			reason = v.kind == MW_JSON_NULL || is_finish(v);
			if (v.kind == MW_JSON_STRING)
				chunk->finish = unquoted(v);
		}
	}
	return index && delta && reason && !(chunk->finish.p && (chunk->called || chunk->bare));
}

static bool chunk_fits(
    const struct mw_json *top, const struct mw_stream_sent *sent, struct mw_pass_chunk *chunk)
{
	if (!head_fits(top, "chat.completion.chunk") || top[CHOICES].kind != MW_JSON_ARRAY)
		return false;
	struct mw_str name;
	struct mw_json choice;
	bool any = false;
	for (size_t at = 0; mw_json_next(top[CHOICES], &at, &name, &choice); any = true)
		if (any || !chunk_choice_fits(choice, sent, chunk))
			return false;
	chunk->only_usage = !any;
	return any || top[USAGE].kind == MW_JSON_OBJECT;
}

enum mw_pass mw_pass_event(struct mw_str text, struct mw_str client_model_json,
    const struct mw_stream_sent *sent, struct mw_buf *out, struct mw_usage *usage,
    struct mw_pass_chunk *chunk)
{
	struct mw_json top[TOPS], root;
	*chunk = (struct mw_pass_chunk){.bare = sent->bare};
	if (!find_top(text, top, &root))
		return MW_PASS_BROKEN;
	if (memchr(text.p, '\n', text.n)) /* came on several lines, and has to leave on one */
		return MW_PASS_DEVIATES;
	if (root.kind != MW_JSON_OBJECT || !chunk_fits(top, sent, chunk) ||
	    !usage_fits(top[USAGE], MW_KIND_CHAT, usage))
		return MW_PASS_DEVIATES;
	struct mw_str model = top[MODEL].raw;
	size_t before = (size_t)(model.p - root.raw.p);
	mw_buf_add(out, MW_STR("data: "));
	mw_buf_add(out, mw_strn(root.raw.p, before));
	mw_buf_add(out, client_model_json);
	mw_buf_add(out, mw_strn(model.p + model.n, root.raw.n - before - model.n));
	mw_buf_add(out, MW_STR("\n\n"));
	return MW_PASS_OK;
}
