/* SPDX-License-Identifier: MIT
 *
 * Translating between a client's dialect and a target's, by lua/ (lua/README.md has the Lua side). What
 * comes back lies in the arena of the translation.
 */
#ifndef MW_TRANSLATE_H
#define MW_TRANSLATE_H

#include "net/play.h"
#include "script/runtime.h"

/* An error of a provider, or of a translation, in words; strings live in the arena that was given. */
struct mw_fault {
	enum mw_err_code code;
	int status; /* to the client; 0: as the code says */
	struct mw_str type, param, message, native_code; /* may be empty */
	uint64_t retry_after_us;
};

/* What a translation is for. */
struct mw_translation {
	struct mw_runtime *rt;
	unsigned generation;
	const struct mw_target *target;
	enum mw_kind kind;
	struct mw_str model;        /* as the provider knows it */
	struct mw_str client_model; /* as the client wrote it */
	bool stream, include_usage, drop_params;
	bool base64; /* embeddings are wanted in base64 */
	struct mw_arena *arena; /* for everything that comes back */
};

/* The client's body in the target's dialect. */
bool mw_translate_request(const struct mw_translation *t, struct mw_str body, struct mw_str *out,
    struct mw_fault *fault) MW_MUSTCHECK;
/* For targets that answer by themselves: the script of the answer. */
bool mw_translate_play(const struct mw_translation *t, struct mw_str body, struct mw_play_script *out,
    struct mw_fault *fault) MW_MUSTCHECK;
/* A whole answer (2xx) in the client's dialect, with its usage and first finish reason. */
bool mw_translate_reply(const struct mw_translation *t, struct mw_str reply, struct mw_str *out,
    struct mw_usage *usage, struct mw_str *finish, struct mw_fault *fault) MW_MUSTCHECK;
/* What an error answer says. */
void mw_translate_failure(
    const struct mw_translation *t, int status, struct mw_str reply, struct mw_fault *fault);

/* A streamed answer. */
struct mw_stream;
enum mw_stream_state { MW_STREAM_EMPTY, MW_STREAM_CONTENT, MW_STREAM_WHOLE };

/* What of the first choice has gone to the client as bytes already, before lua/ takes over. */
struct mw_stream_sent {
	bool begun, finished;  /* its beginning; its finish reason */
	unsigned calls;	       /* tool calls begun */
	struct mw_str call_id; /* of the last one */
	bool bare;	       /* it has no arguments yet */
};

/* NULL only if lua/ is broken. */
struct mw_stream *mw_stream_open(const struct mw_translation *t, const struct mw_stream_sent *sent);
void mw_stream_close(struct mw_stream *s); /* takes NULL */
/* One event of the provider; what the client is to get is appended to out. False: the provider
 * reported an error inside the stream, or the event cannot be read. */
bool mw_stream_event(struct mw_stream *s, const struct mw_translation *t, struct mw_str name,
    struct mw_str data, struct mw_buf *out, enum mw_stream_state *state,
    struct mw_fault *fault) MW_MUSTCHECK;
bool mw_stream_may_end(struct mw_stream *s); /* does a clean close count as the end? */
/* What is left to send after the last event: usage if it was asked for, and the dialect's end mark. */
void mw_stream_finish(struct mw_stream *s, struct mw_buf *out);
/* What is known so far; finish is empty before a finish reason has come. */
void mw_stream_usage(
    struct mw_stream *s, struct mw_usage *usage, struct mw_str *finish, struct mw_arena *arena);

#endif
