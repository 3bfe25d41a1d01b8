/* SPDX-License-Identifier: MIT
 *
 * Reload: look at the files, read, let every worker prepare, then commit or discard.
 */
#include "gate/reload.h"

#include "base/log.h"
#include "base/mem.h"
#include "script/embedded.h"

#include <stdatomic.h>

enum { LOOK_US = 500000 };

struct mw_reload {
	struct mw_loop *loop;
	struct mw_gateway *gateway;
	struct mw_mailbox *mailbox; /* the workers' answers */
	struct mw_bundle *bundle;   /* in place */
	struct mw_settings
	    *watched;           /* the last that could be read, in place or refused: their files
	                                and their policies' are looked at */
	struct mw_bundle *next; /* being prepared; NULL when no reload is under way */
	uint64_t stamp;         /* of the files as they were last read, good or bad */
	mw_reload_read_fn read;
	void *arg;
	struct mw_timer timer;
	size_t missing; /* workers that have not answered yet */
	char *fault;    /* the first that a worker reported */
	bool again;     /* something changed meanwhile */
};

/* Workers that drain may be gone at any moment: no message reaches them any more. */
static bool leaving(const struct mw_reload *r)
{
	return atomic_load(&r->gateway->draining);
}

/* ---- the workers' answers ------------------------------------------------------------------ */

static void finish(struct mw_reload *r)
{
	struct mw_metric_cells *cells =
	    mw_metrics_cells(r->gateway->metrics, r->gateway->n_workers);
	for (size_t i = 0; i < r->gateway->n_workers; i++)
		if (r->fault)
			mw_worker_discard(r->gateway->workers[i]);
		else
			mw_worker_commit(r->gateway->workers[i]);
	if (r->fault) {
		mw_log(MW_LOG_ERROR, "reload", "nothing has changed: %s", r->fault);
		mw_bundle_unref(r->next);
	} else {
		mw_log(MW_LOG_INFO, "reload", "new settings and policies are in place");
		mw_bundle_unref(r->bundle);
		r->bundle = r->next;
	}
	mw_metrics_add(cells, r->fault ? MW_METRIC_RELOAD_ERRORS : MW_METRIC_RELOADS, 0, 1);
	mw_mem_free(r->fault);
	r->fault = NULL;
	r->next = NULL;
	if (r->again) {
		r->again = false;
		mw_reload_now(r);
	}
}

struct answer {
	struct mw_reload *reload;
	char *fault; /* NULL: prepared */
};

static void on_answer(void *arg)
{
	struct answer *a = arg;
	struct mw_reload *r = a->reload;
	if (r->fault)
		mw_mem_free(a->fault);
	else
		r->fault = a->fault;
	mw_mem_free(a);
	if (--r->missing == 0 && !leaving(r))
		finish(r);
}

/* On a worker's thread. */
static void answer(void *arg, const char *message)
{
	struct mw_reload *r = arg;
	struct answer *a = mw_mem_alloc(sizeof(*a));
	*a = (struct answer){r, message ? mw_mem_strdup(message) : NULL};
	mw_mailbox_post(r->mailbox, on_answer, a);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void refuse(struct mw_reload *r, const struct mw_err *err)
{
	struct mw_metric_cells *cells =
	    mw_metrics_cells(r->gateway->metrics, r->gateway->n_workers);
	struct mw_str rest = mw_str(err->text), line;
	while (rest.n) { /* settings tell of several faults at once, one a line */
		mw_str_cut(&rest, '\n', &line);
		mw_log(MW_LOG_ERROR, "reload", "nothing has changed: %.*s", MW_FMT(line));
	}
	mw_metrics_add(cells, MW_METRIC_RELOAD_ERRORS, 0, 1);
}

/* Looks at the files of these settings from now on, also of policies that could not be read. `before` is
 * the stamp of those that were watched until now, from before the reading: what changed meanwhile is read
 * once more. */
static void watch(struct mw_reload *r, struct mw_settings *settings, uint64_t before)
{
	bool still = mw_bundle_stamp(r->watched) == before;
	mw_settings_unref(r->watched);
	r->watched = mw_settings_ref(settings);
	r->stamp = still ? mw_bundle_stamp(r->watched) : before;
}

void mw_reload_now(struct mw_reload *r)
{
	struct mw_err err = {0};
	if (leaving(r))
		return;
	if (r->next) {
		r->again = true;
		return;
	}
	r->stamp = mw_bundle_stamp(r->watched);
	struct mw_settings *settings = r->read(r->arg, &err);
	if (settings) {
		r->next = mw_bundle_read(settings, mw_embedded_policy, &err);
		watch(r, settings, r->stamp);
	}
	mw_settings_unref(settings);
	if (!r->next) {
		refuse(r, &err);
		return;
	}
	r->missing = r->gateway->n_workers;
	for (size_t i = 0; i < r->gateway->n_workers; i++)
		mw_worker_prepare(r->gateway->workers[i], r->next, answer, r);
}

static void look(void *arg)
{
	struct mw_reload *r = arg;
	mw_loop_timer_set(r->loop, &r->timer, LOOK_US);
	if (!r->next && mw_bundle_stamp(r->watched) != r->stamp)
		mw_reload_now(r);
}

struct mw_reload *mw_reload_new(struct mw_loop *loop, struct mw_gateway *gateway,
    struct mw_bundle *bundle, mw_reload_read_fn read, void *arg)
{
	struct mw_reload *r = mw_mem_zalloc(sizeof(*r));
	r->loop = loop;
	r->gateway = gateway;
	r->mailbox = mw_mailbox_new(loop);
	r->bundle = mw_bundle_ref(bundle);
	r->watched = mw_settings_ref(bundle->settings);
	r->stamp = mw_bundle_stamp(r->watched);
	r->read = read;
	r->arg = arg;
	mw_timer_init(&r->timer, look, r);
	mw_loop_timer_set(loop, &r->timer, LOOK_US);
	return r;
}

void mw_reload_free(struct mw_reload *r)
{
	if (!r)
		return;
	mw_loop_timer_del(r->loop, &r->timer);
	mw_mailbox_free(r->mailbox);
	mw_bundle_unref(r->next);
	mw_bundle_unref(r->bundle);
	mw_settings_unref(r->watched);
	mw_mem_free(r->fault);
	mw_mem_free(r);
}
