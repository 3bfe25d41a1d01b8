/* SPDX-License-Identifier: MIT
 *
 * The walk of one call through the gate: the call itself and what only the steps need. Private to
 * gate/.
 *
 * Start here to follow a call: endpoints.c has a walk made when a head has come, steps.c drives it
 * through the rows of steps.def, attempt.c talks to a target, reader.c turns its reply into the
 * client's form, reply.c answers. When it is over, mw_walk_end frees it.
 */
#ifndef MW_WALK_H
#define MW_WALK_H

#include "call/call.h"
#include "gate/worker.h"
#include "net/http_in.h"
#include "net/sse.h"
#include "script/hook.h"
#include "script/translate.h"

/* What a step says to the driver. */
enum mw_next {
	MW_STEP_GO,   /* on to the next step */
	MW_STEP_WAIT, /* parked: mw_steps_wake will be called */
	MW_STEP_BACK, /* to the step before: another attempt, another group */
	MW_STEP_END,  /* the answer is finished: on to settling */
};

enum mw_step {
#define MW_STEP(id, fn) MW_STEP_##id,
#include "gate/steps.def"
#undef MW_STEP
	MW_STEPS,
};

/* How one reply is read and handed on. */
struct mw_reader {
	int status;
	bool events;        /* an event stream is being read, event by event */
	unsigned progress;  /* events that brought content or a finish reason */
	bool whole;         /* the stream's proper end has come */
	struct mw_stream_sent sent; /* what has passed as bytes; `finished` also where it is held */
	struct mw_buf body; /* what came, where it is not read event by event */
	struct mw_sse sse;
	struct mw_stream *stream; /* translates; NULL while events pass as bytes */
	struct mw_buf out;        /* ready for the client, not handed over yet */
	size_t held; /* at the end of out: a finish that waits, as more of its choice may follow */
};

/* What the client's body asks of the gateway itself, for this call. */
struct mw_wish {
	int num_retries;                        /* -1: as the settings say */
	uint64_t timeout_us, stream_timeout_us; /* 0: as the settings say */
	bool drop_params, no_fallbacks;
};

/* Where the call stands in its routing: in which group, in which tier of `order` in it, how far in the
 * plan for that. */
struct mw_route {
	struct mw_str named; /* the model that the body names, as it was last looked up */
	const struct mw_target *only; /* the client named one deployment */
	const struct mw_str *fallbacks; /* groups to go on with: the client's list, else the model's */
	size_t n_fallbacks, next_fallback;
	bool planned; /* a plan has been made for the present group */
	int tier;     /* that the present plan is for */
	struct mw_plan plan;
	size_t at;                      /* steps of this plan looked at so far */
	unsigned attempts;              /* made by this plan */
	size_t passed_over;             /* steps in a row that came to no attempt */
	uint64_t ready_us[MW_PLAN_MAX]; /* per step: its provider asked for no call before then; 0: it did not */
	uint32_t barred; /* steps whose target refused our key or knows no such model */
	const struct mw_plan_step *step;    /* of the present attempt */
	const struct mw_plan_step *waiting; /* a pause before this step is running */
	uint64_t pause_from_us;             /* since when */
	uint64_t retry_wait_us; /* hook result asked for this pause before the next attempt */
	uint64_t deadline_us;   /* of all attempts; env's now; 0: none */
};

struct mw_walk {
	struct mw_call call;
	struct mw_list node; /* on the worker's list of walks */
	struct mw_worker *worker;
	struct mw_version *version; /* referenced */
	struct mw_http_req *req;    /* NULL once the answer is finished or the client gone */
	enum mw_step step;
	bool running; /* the driver is on the stack */
	struct mw_wish wish;
	struct mw_route route;
	struct mw_str
	    body; /* call.body without the members that are ours; {NULL,0}: not made yet */
	/* the present attempt */
	struct mw_attempt attempt;
	struct mw_translation translation;
	bool skipped; /* hook attempt has skipped a target */
	bool pass;                       /* same dialect: bytes go through */
	struct mw_str parts[MW_EXCHANGE_PARTS]; /* of the body to send */
	struct mw_str client_model_json; /* the asked name, quoted */
	struct mw_exchange *exchange;    /* NULL when none is under way */
	struct mw_reader reader;
	struct mw_timer timer;             /* the nearest deadline, or a pause before an attempt */
	uint64_t sent_us;                  /* when it was sent */
	uint64_t begin_by_us, first_by_us, total_by_us; /* deadlines of the attempt; 0: none */
	uint64_t gap_us;                   /* how long a stream may be silent after content; 0: for ever */
	bool paused;                       /* the client is slower than the target */
	uint64_t waited_us;                /* for the client's body, in attempts and pauses: no overhead */
	uint64_t answered_us;              /* when the last byte was handed over; 0: not yet */
	/* what is left to tell the client if nothing works */
	struct mw_fault fault;
	struct mw_str reply; /* a whole answer in the client's form */
};

/* A walk for a request whose head has come; it stands on the worker's list of walks. */
struct mw_walk *mw_walk_new(struct mw_worker *w, struct mw_http_req *req, const struct mw_http_head *head,
    enum mw_kind kind);

/* Frees the walk, and gives back its version and its arena. */
void mw_walk_end(struct mw_walk *walk);

/* For the rest of this plan, the target of the present attempt cannot do better than it just did. */
static inline void mw_walk_bar(struct mw_walk *walk)
{
	for (size_t i = 0; i < walk->route.plan.n; i++)
		if (walk->route.plan.steps[i].target == walk->attempt.target)
			walk->route.barred |= 1u << i;
}

static inline struct mw_policies *mw_walk_policies(struct mw_walk *walk)
{
	return walk->version->policies;
}

#endif
