/* SPDX-License-Identifier: MIT
 *
 * The runtime: the trusted Lua state that holds lua/ (wire formats and vendors), and what C asks of
 * it. The contract of the Lua side is lua/README.md. One per worker, and one on the main thread for
 * reading settings. Compiled by the JIT; its input is bounded by the ceilings of bodies and events.
 */
#ifndef MW_RUNTIME_H
#define MW_RUNTIME_H

#include "call/call.h"
#include "net/play.h"
#include "shared/settings.h"

struct mw_runtime;

/* An error of a provider, or of a translation, in words; strings live in the arena that was given.
 */
struct mw_fault {
	enum mw_err_code code;
	int status;					 /* to the client; 0: as the code says */
	struct mw_str type, param, message, native_code; /* may be empty */
	uint64_t retry_after_us;
};

struct mw_runtime *mw_runtime_new(struct mw_env *env, struct mw_err *err);
void mw_runtime_free(struct mw_runtime *rt); /* takes NULL */

/* The `prepare` of struct mw_settings_world; arg is the runtime. */
bool mw_runtime_prepare(
    void *rt, struct mw_target *target, struct mw_arena *arena, struct mw_err *err);

/* The `wildcards` of struct mw_settings_world; arg is the runtime. */
size_t mw_runtime_wildcards(
    void *rt, struct mw_arena *arena, const struct mw_wildcard **out);

/* Makes the targets of a snapshot known. Calls of an older version keep theirs through the
 * generation, which is returned (0 on failure) and dropped when the last call of that version is
 * over. */
unsigned mw_runtime_add(
    struct mw_runtime *rt, const struct mw_settings *settings, struct mw_err *err);
void mw_runtime_drop(struct mw_runtime *rt, unsigned generation, size_t n_targets);

/* What a translation is for. */
struct mw_translation {
	struct mw_runtime *rt;
	unsigned generation;
	const struct mw_target *target;
	enum mw_kind kind;
	struct mw_str model;	    /* as the provider knows it */
	struct mw_str client_model; /* as the client wrote it */
	bool stream, include_usage, drop_params;
	bool base64; /* embeddings are wanted in base64 */
	struct mw_arena *arena; /* for everything that comes back */
};

/* The client's body in the target's dialect. */
bool mw_runtime_request(const struct mw_translation *t, struct mw_str body, struct mw_str *out,
    struct mw_fault *fault) MW_MUSTCHECK;
/* For targets that answer by themselves: the script of the answer. */
bool mw_runtime_play(const struct mw_translation *t, struct mw_str body, struct mw_play_script *out,
    struct mw_fault *fault) MW_MUSTCHECK;
/* A whole answer (2xx) in the client's dialect, with its usage and first finish reason. */
bool mw_runtime_reply(const struct mw_translation *t, struct mw_str reply, struct mw_str *out,
    struct mw_usage *usage, struct mw_str *finish, struct mw_fault *fault) MW_MUSTCHECK;
/* What an error answer says. */
void mw_runtime_failure(
    const struct mw_translation *t, int status, struct mw_str reply, struct mw_fault *fault);

/* A streamed answer. */
struct mw_stream;
enum mw_stream_state { MW_STREAM_EMPTY, MW_STREAM_CONTENT, MW_STREAM_WHOLE };

/* NULL only if lua/ is broken. `resumed`: the beginning of the stream has gone to the client as bytes
 * already; `finished`: its finish reason too. */
struct mw_stream *mw_stream_open(const struct mw_translation *t, bool resumed, bool finished);
void mw_stream_close(struct mw_stream *s); /* takes NULL */
/* One event of the provider; what the client is to get is appended to out. False: the provider
 * reported an error inside the stream, or the event cannot be read. */
bool mw_stream_event(struct mw_stream *s, const struct mw_translation *t, struct mw_str name,
    struct mw_str data, struct mw_buf *out, enum mw_stream_state *state,
    struct mw_fault *fault) MW_MUSTCHECK;
bool mw_stream_may_end(struct mw_stream *s); /* does a clean close count as the end? */
/* What is left to send after the last event: usage if it was asked for, and the dialect's end mark.
 */
void mw_stream_finish(struct mw_stream *s, struct mw_buf *out);
/* What is known so far; finish is empty before a finish reason has come. */
void mw_stream_usage(
    struct mw_stream *s, struct mw_usage *usage, struct mw_str *finish, struct mw_arena *arena);

#endif
