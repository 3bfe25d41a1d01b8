/* SPDX-License-Identifier: MIT
 *
 * ADMIT: the hooks that may refuse, answer or rewrite a call before it is routed. A call that comes to
 * another group, by a rewrite or as a fallback, has to pass the policies of that group too.
 */
#include "gate/admit.h"

#include "gate/answer.h"
#include "gate/decode.h"
#include "gate/reply.h"
#include "gate/steps.h"

/* After a rewrite. False: the body is none any more. */
static bool decode_again(struct mw_walk *walk, struct mw_decision *d)
{
	struct mw_err err = {0};
	if (mw_decode_call(walk, &err))
		return true;
	mw_err_prefix(&err, "after a policy's rewrite");
	mw_reply_set_fault(walk, &err);
	d->verdict = MW_REJECT;
	return false;
}

/* Asks those that the call has not been before. */
static void ask(struct mw_walk *walk, struct mw_decision *d)
{
	struct mw_policies *policies = mw_walk_policies(walk);
	struct mw_call *call = &walk->call;
	if (mw_policies_want(policies, call->model, MW_HOOK_ADMIT))
		mw_hook_admit(policies, call, d);
	if (d->verdict == MW_GO && mw_policies_want(policies, call->model, MW_HOOK_REWRITE))
		mw_hook_rewrite(policies, call, d);
	if (d->verdict == MW_REJECT)
		mw_reply_set_rejection(walk, d);
}

static void note_admission(struct mw_call *call)
{
	struct mw_admission *a = mw_arena_alloc(call->arena, sizeof(*a));
	*a = (struct mw_admission){call->model, call->admissions};
	call->admissions = a;
}

bool mw_admit_group(struct mw_walk *walk, struct mw_decision *d)
{
	struct mw_call *call = &walk->call;
	const struct mw_model *model;
	*d = (struct mw_decision){.verdict = MW_GO};
	do {
		const char *body = call->body.p;
		model = call->model;
		ask(walk, d);
		if (d->verdict != MW_GO)
			return false;
		note_admission(call);
		if (call->body.p != body && !decode_again(walk, d))
			return false;
	} while (call->model != model);
	return true;
}

enum mw_next mw_step_admit(struct mw_walk *walk)
{
	struct mw_decision d;
	if (mw_admit_group(walk, &d))
		return MW_STEP_GO;
	if (d.verdict == MW_ANSWER)
		mw_answer_text(walk, &d);
	else
		mw_reply_fault(walk);
	return MW_STEP_END;
}
