/* SPDX-License-Identifier: MIT
 *
 * The driver: the only place that changes the step of a walk.
 */
#include "gate/steps.h"

#include "gate/attempt.h"
#include "gate/reply.h"

static enum mw_next (*const steps[MW_STEPS])(struct mw_walk *) = {
#define MW_STEP(id, fn) [MW_STEP_##id] = fn,
#include "gate/steps.def"
#undef MW_STEP
};

/* True when the walk has come to its end. */
static bool advance(struct mw_walk *walk)
{
	switch (steps[walk->step](walk)) {
	case MW_STEP_GO:
		return ++walk->step == MW_STEPS;
	case MW_STEP_BACK:
		mw_require(walk->step > 0);
		walk->step--;
		return false;
	case MW_STEP_END:
		walk->step = MW_STEP_SETTLE;
		return false;
	case MW_STEP_WAIT:
		break;
	}
	walk->running = false;
	return false;
}

void mw_steps_run(struct mw_walk *walk)
{
	mw_require(!walk->running);
	walk->running = true;
	while (walk->running)
		if (advance(walk)) {
			mw_walk_end(walk);
			return;
		}
}

void mw_steps_gone(struct mw_walk *walk)
{
	walk->req = NULL;
	if (walk->call.status == 0)
		walk->call.status = 499;
	mw_attempt_cancel(walk);
	walk->step = MW_STEP_SETTLE;
	mw_steps_run(walk);
}

void mw_steps_refused(struct mw_walk *walk, const struct mw_err *err)
{
	mw_reply_set_fault(walk, err);
	walk->call.status = mw_err_status(err->code);
	mw_steps_gone(walk);
}
