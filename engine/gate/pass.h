/* SPDX-License-Identifier: MIT
 *
 * The same-dialect fast path for OpenAI's chat form: nothing is parsed into a tree. A request gets
 * its model's name spliced in; a reply or a streamed chunk is looked through once, its model's name
 * replaced by the client's, its usage and finish reason read. What does not have exactly the shape
 * that OpenAI's schema promises is not touched: the caller hands it to lua/, which mends it.
 */
#ifndef MW_PASS_H
#define MW_PASS_H

#include "base/exchange.h"
#include "call/call.h"
#include "script/translate.h"

/* May the call's messages go to OpenAI as they are? Not if they hold what only other vendors know and our
 * own answers brought into them: signed thoughts, cache marks, signatures of tool calls. */
bool mw_pass_fits(const struct mw_call *call);

/* The body to send, from `body` (the call's, without the members that are ours): model replaced,
 * usage asked for in a stream where `ask_usage`. In parts, so that what stands around the model's name
 * is not copied; they lie in `body` and in the call's arena. */
bool mw_pass_request(const struct mw_call *call, struct mw_str body, struct mw_str model,
    bool ask_usage, struct mw_str out[MW_EXCHANGE_PARTS], struct mw_err *err) MW_MUSTCHECK;

enum mw_pass {
	MW_PASS_OK,
	MW_PASS_DEVIATES, /* JSON, but not of the shape that may go through */
	MW_PASS_BROKEN,	  /* not JSON */
};

/* A whole reply; fills call->usage and call->finish. `out` lies in the call's arena. */
enum mw_pass mw_pass_reply(
    struct mw_call *call, struct mw_str text, struct mw_str client_model_json, struct mw_str *out);

struct mw_pass_chunk {
	bool content;	 /* text, reasoning, a refusal or part of a tool call */
	bool only_usage; /* no choice in it, but usage */
	struct mw_str
	    finish; /* of the first choice that has one; slice of the text without quotes */
	bool role;	       /* the speaker's role */
	bool called;	       /* part of a tool call */
	unsigned calls;	       /* tool calls that begin here */
	struct mw_str call_id; /* of the last of them; slice likewise */
	bool bare;	       /* the call that began last has no arguments yet */
};
/* One chunk of a stream as `data: …` with its empty line, appended to out; `sent` is what has passed
 * before. Usage is only written where the chunk has some. */
enum mw_pass mw_pass_event(struct mw_str text, struct mw_str client_model_json,
    const struct mw_stream_sent *sent, struct mw_buf *out, struct mw_usage *usage,
    struct mw_pass_chunk *chunk);

#endif
