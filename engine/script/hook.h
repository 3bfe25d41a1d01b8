/* SPDX-License-Identifier: MIT
 *
 * Calling hooks. Each function runs the hook of every policy that is bound to the call's model, in
 * the settings' order, checks what comes back, and gives the decision as data; nothing has happened
 * yet except that the call's overlay (body, headers, tags) holds what hooks set, and that only if
 * the hook returned normally. A hook that raises, is stopped, or returns what it may not is logged
 * with `file:line`, counted, and replaced by what hooks.def says.
 */
#ifndef MW_HOOK_H
#define MW_HOOK_H

#include "call/call.h"
#include "script/policy.h"
#include "shared/health.h"

enum mw_verdict {
	MW_GO,     /* nothing special: carry on (for result: what the gate would do by itself) */
	MW_REJECT, /* admit, rewrite: refuse the call */
	MW_ANSWER, /* admit: answer at once with `text` */
	MW_SKIP,   /* attempt: do not send this one */
	MW_ACCEPT, /* result: give this to the client, good or bad */
	MW_NEXT,   /* result: go on with the plan */
	MW_RETRY,  /* result: the same target again after wait_us */
	MW_FAIL,   /* result: end the call with this error */
};

struct mw_decision {
	enum mw_verdict verdict;
	int status;              /* REJECT, FAIL: 400..599 */
	struct mw_str code;      /* REJECT, FAIL: error.code; may be empty */
	struct mw_str message;   /* REJECT, FAIL; in the call's arena */
	struct mw_str text;      /* ANSWER: the assistant's text */
	uint64_t retry_after_us; /* REJECT, FAIL: for Retry-After; 0: none */
	uint64_t wait_us;        /* RETRY */
	struct mw_str policy;    /* who decided */
};

struct mw_candidate {
	const struct mw_target *target;
	struct mw_health_view live;
};

/* One attempt as hooks see it. */
struct mw_attempt {
	unsigned number;               /* from 1, over the whole call */
	const struct mw_target *target;
	struct mw_str body;            /* what will be sent; hook attempt may replace it */
	struct mw_extra_header *headers; /* set by hook attempt, for this attempt only */
	uint64_t left_us;              /* until the call's deadline; 0: none */
	/* what became of it, for hook result */
	bool ok;
	int status;                    /* of the reply; 0: none came */
	enum mw_err_code error;        /* NONE when ok */
	struct mw_str error_text;
	uint64_t retry_after_us;
	uint64_t ttft_us, total_us;
	bool streamed;                 /* content has gone to the client: it is too late */
	struct mw_str reply;           /* the whole answer in the client's form, if it is one */
};

/* Admit and rewrite pass over the policies of the groups in call->admissions: they have been asked. */
void mw_hook_admit(struct mw_policies *p, struct mw_call *call, struct mw_decision *out);
/* After this call->body may be another text: call->members and what was read from them hold for the
 * old one until the caller decodes it again. */
void mw_hook_rewrite(struct mw_policies *p, struct mw_call *call, struct mw_decision *out);

/* Fills the plan. The first policy that returns one decides; nil asks the next; the strategy of the
 * settings is the last. If that fails too: the candidates in order of weight drawn at random, as
 * simple-shuffle does, in C. Never fails; n is at least 1. */
void mw_hook_route(struct mw_policies *p, struct mw_call *call, const struct mw_candidate *candidates,
    size_t n, struct mw_plan *plan);

void mw_hook_attempt(struct mw_policies *p, struct mw_call *call, struct mw_attempt *at,
    struct mw_decision *out);
void mw_hook_result(struct mw_policies *p, struct mw_call *call, const struct mw_attempt *at,
    struct mw_decision *out);

/* `body`: the whole answer in the client's form, which the hook may replace (in the arena), or NULL
 * for a stream, whose head only is about to leave. Headers go to call->to_client. */
void mw_hook_respond(struct mw_policies *p, struct mw_call *call, struct mw_str *body);
void mw_hook_complete(struct mw_policies *p, struct mw_call *call);

#endif
