/* SPDX-License-Identifier: MIT
 *
 * One client call from accept to log: the facts about it that several rooms read. No I/O and no
 * locks; born, living and dying on one worker. What walks it (gate/walk) embeds it.
 */
#ifndef MW_CALL_H
#define MW_CALL_H

#include "base/env.h"
#include "base/json.h"
#include "call/plan.h"
#include "call/usage.h"

struct mw_settings;
struct mw_model;

/* Members of the client's body that C looks at, found in one pass. */
enum mw_member {
#define MW_MEMBER(id, name, kind, whose) MW_M_##id,
#include "call/members.def"
#undef MW_MEMBER
	MW_MEMBERS,
};
extern const struct mw_str mw_call_members[MW_MEMBERS]; /* their names */

/* Members of messages, parts and tools that other vendors than OpenAI know, and that our own answers
 * bring into a conversation: cache marks, signed thoughts, signatures of tool calls. */
enum { MW_FOREIGNS = 5 };
extern const struct mw_str mw_call_foreign[MW_FOREIGNS];

/* A group whose policies have been asked whether the call may come in. */
struct mw_admission {
	const struct mw_model *model;
	const struct mw_admission *next;
};

struct mw_tag {
	struct mw_str key, value;
	struct mw_tag *next;
};

/* A header that a policy adds to what goes back to the client, or upstream with one attempt. */
struct mw_extra_header {
	struct mw_header header;
	struct mw_extra_header *next;
};

struct mw_call {
	struct mw_arena *arena; /* everything of the call; reset when it is over */
	struct mw_env *env;
	const struct mw_settings *settings; /* the snapshot it started with */
	char id[37];                        /* a UUID: x-litellm-call-id */
	uint64_t started_us;                /* env's now */
	uint64_t deadline_us; /* env's now when it must be over; 0: none, or not known yet */
	enum mw_kind kind;
	const struct mw_header *headers; /* the client's */
	size_t n_headers;
	struct mw_str body; /* checked JSON, an object; policies replace it by an edited copy */
	struct mw_json members[MW_MEMBERS]; /* slices of body */
	bool foreign;        /* somewhere below body's top level stands a name of mw_call_foreign */
	struct mw_str asked; /* the model's name as the client wrote it: what answers carry */
	struct mw_str wanted; /* the name that is routed now: asked, rewritten, or a fallback */
	const struct mw_model *model; /* the group it stands for; NULL before DECODE */
	const struct mw_admission *admissions; /* of groups before; what they asked is not asked again */
	bool stream;
	bool include_usage; /* the client asked for usage in the stream */
	struct mw_str key;  /* who calls: "master", or "" without keys; never the key itself */
	struct mw_tag *tags;
	struct mw_extra_header *to_client; /* set by hooks */
	/* what has happened so far */
	unsigned attempts;              /* sent */
	unsigned fallbacks;             /* groups tried beyond the first */
	const struct mw_target *target; /* of the present or last attempt */
	uint64_t first_us;              /* when the first content came; 0: not yet */
	struct mw_usage usage;
	int64_t cost;         /* picodollars; -1: price unknown */
	struct mw_str finish; /* finish reason of the first choice, if one came */
	int status;           /* of the answer; 0: none yet */
};

/* Checks call->body as JSON and fills in `members` and `foreign`; `*root` is the whole of it. BAD_JSON as
 * of mw_json_peek. */
bool mw_call_find_members(
    struct mw_call *call, struct mw_json *root, struct mw_err *err) MW_MUSTCHECK;

#endif
